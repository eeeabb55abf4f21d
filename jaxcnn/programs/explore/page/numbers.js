// Numbers as text and back, and names of entries: y_11, dJ/dx_12.

// Four digits are shown; whole numbers have them all.
const rounded = value => Number.isInteger(value) && Math.abs(value) < 1e6 ? value : Number(value.toPrecision(4));

function shown(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  const near = rounded(value), small = near !== 0 && Math.abs(near) < 1e-3;
  return (small || Math.abs(near) >= 1e6 ? near.toExponential() : String(near)).replace(/-/g, MINUS);
}

// For a cell, which is narrow: three digits at most.
function short(value) {
  const narrow = Number.isFinite(value) && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value;
  return shown(Math.abs(narrow) < 0.005 ? 0 : Number.isFinite(narrow) && !Number.isInteger(narrow) ? Number(narrow.toFixed(2)) : narrow);
}

const factor = value => value < 0 ? `(${shown(value)})` : shown(value);

// "= 7", or "≈ 1.333" where digits are missing.
function equals(value) {
  const exact = !Number.isFinite(value) || Math.abs(value - rounded(value)) <= 1e-12 * Math.abs(value);
  return `${exact ? "=" : "≈"} ${shown(value)}`;
}

// The number that a person typed; null for anything else.
function typed(text) {
  const plain = text.trim().toLowerCase().replaceAll(MINUS, "-").replace(",", ".");
  if (plain === "nan") return NaN;
  if (/^[+-]?(inf|infinity|∞)$/.test(plain)) return plain[0] === "-" ? -Infinity : Infinity;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(plain) ? Number(plain) : null;
}

// As the address has it.
const written = value => Number.isNaN(value) ? "nan" : Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf";

// Names count from 1, the row first.
const place = ([row, column]) => row > 8 || column > 8 ? `${row + 1},${column + 1}` : `${row + 1}${column + 1}`;
const nameOf = (symbol, index) => `${symbol}_${place(index)}`;
const keyOf = (kind, index) => [kind, ...index.map(n => n + 1)].join(".");
const same = (one, other) => one.length === other.length && one.every((n, axis) => n === other[axis]);

// Arrays in arrays: rows, of columns, and so on.
const at = (array, index) => index.reduce((inner, n) => inner[n], array);
const filled = (size, entry) => size.length
  ? Array.from({ length: size[0] }, (_, n) => filled(size.slice(1), (...rest) => entry(n, ...rest))) : entry();
const places = size => size.reduce((all, n) => all.flatMap(index => Array.from({ length: n }, (_, i) => [...index, i])), [[]]);
const replaced = (array, [n, ...rest], value) => array.with(n, rest.length ? replaced(array[n], rest, value) : value);
const total = values => values.reduce((sum, value) => sum + value, 0);

// A sum: what is summed, as names and as numbers. A term is a product of symbols.
//   { name: "dJ/dx_12", terms: [{ symbols: ["dJ/dy_11", "k_12"], values: [1, -1], keys: ["y.1.1", "k.1.2"] }] }
const product = term => term.values.reduce((p, value) => p * value, 1);
// A padding or a hole is 0 whatever it meets.
const valueOf = sum => total(sum.terms.map(term => term.empty ? 0 : product(term)));
const symbolic = sum => `${sum.name} = ${sum.terms.map(term => term.symbols.join(" ")).join(" + ") || "0"}`;
// A term may have words of its own for its numbers, such as "3 / 4".
const inNumbers = term => term.words ?? term.values.map(factor).join("·");

// Text with names in it, as nodes: the index is a subscript, each kind has its colour.
function marked(text) {
  const nodes = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(/(dJ\/d)?(x̂|[xykb]|scale|bias)(?:_(\d+(?:[,;]\d+)*))?(?![\w\u0302])/gu)) {
    if (/[\p{L}\p{N}_]/u.test(text[match.index - 1] ?? " ") || !(match[1] || match[3] || match[2] === "x̂")) continue;
    const name = element("span", { class: `name k${match[2][0]}` });
    name.append(match[1] ? "∂J/∂" : "", match[2].length > 2 ? match[2] : element("i", {}, match[2]));
    if (match[3]) name.append(element("sub", {}, match[3]));
    nodes.append(text.slice(end, match.index), name);
    end = match.index + match[0].length;
  }
  nodes.append(text.slice(end));
  return nodes;
}

// The sums beside the grids.

// The terms of each part: of each channel, output or image that is summed over. Most sums have one part.
function partsOf(sum) {
  const parts = new Map();
  for (const term of sum.terms) parts.set(term.part, [...parts.get(term.part) ?? [], term]);
  return [...parts];
}

function sumBlock(sum, { note = "", zeros = false } = {}) {
  const joined = (terms, text) => terms.flatMap((term, n) => {
    const made = element("span", { class: `term${term.empty ? " zero" : ""}` }, marked(text(term)));
    made.keys = term.keys;
    return n ? [" + ", made] : [made];
  });
  const symbols = element("p", { class: "symbols" }, marked(`${sum.name} = `)), parts = partsOf(sum), numbers_ = [];
  parts.forEach(([, terms], n) => {
    const words = joined(terms, term => term.symbols.join(" "));
    symbols.append(...(n ? [element("span", { class: "part" }, "+ ", ...words)] : words));
  });
  if (!parts.length) symbols.append("0");
  const value = element("b", {}, equals(valueOf(sum)));
  if (parts.length === 1) {
    const alone = sum.terms.length === 1 && inNumbers(sum.terms[0]) === factor(valueOf(sum));
    numbers_.push(element("p", { class: "numbers" }, ...(alone ? [value] : ["= ", ...joined(sum.terms, inNumbers), " ", value])));
  } else if (parts.length) {
    const values = parts.map(([, terms]) => valueOf({ terms }));
    parts.forEach(([name, terms], n) => numbers_.push(element("p", { class: "numbers" },
      element("span", { class: "soft" }, `${name}: `), ...joined(terms, inNumbers),
      terms.length > 1 || terms[0].values.length > 1 ? ` ${equals(values[n])}` : "")));
    numbers_.push(element("p", { class: "numbers" }, `= ${values.map(factor).join(" + ")} `, value));
  }
  const block = element("div", { class: `sum${zeros ? " zeros" : ""}${parts.length > 1 ? " parts" : ""}` }, symbols, ...numbers_);
  if (note) block.append(element("p", { class: "soft small" }, marked(note)));
  return block;
}

const textBlock = (symbols, numbers_, lines = []) => element("div", { class: "sum" },
  element("p", { class: "symbols" }, marked(symbols)), element("p", { class: "numbers" }, marked(numbers_)),
  ...lines.map(remark));

const list = lines => element("ul", { class: "gains" }, ...lines.map(line => element("li", {}, marked(line))));
const listBlock = (title, lines) => element("div", { class: "sum" }, element("p", {}, marked(title)), list(lines));
const remark = text => element("p", { class: "small" }, marked(text));

// What the chosen entry is about: blocks for the main sum and for the second one.
function sums() {
  const { kind, index } = state.at;
  if (result.problem) return { first: [], again: [] };
  if (state.operation === "batch_norm") {
    return { first: [...normLines(state, result, state.at).map(line => textBlock(...line)), ...statistics()], again: [] };
  }
  if (isPool(state.operation)) {
    const { sum, symbols, numbers: numbers_, lines } = poolLines(state, result, state.at);
    const ofInput = () => [sumBlock(sum), lines.length > 1 ? list(lines) : remark(lines[0])];
    return { first: sum ? ofInput() : [textBlock(symbols, numbers_, lines)], again: [] };
  }
  const into = kindOf(state), own = pathSum(state, result, kind, index);
  if (kind === into) {
    const again = kind === "y" || kind === "b" ? [] : [sumBlock(windowSum(state, result, kind, index), { zeros: true })];
    return { first: [sumBlock(own, { note: missing(kind, own) })], again };
  }
  const other = state.map === "y" ? "So this is its gradient:" : kind === "y" && into !== "b" ? "The same pairs made this output:" : "";
  const again = into === "y" ? [] : [remark(`Point at an entry of ${RESULT[into]} to see this sum.`)];
  return { first: [gainBlock(kind, index), ...(other ? [remark(other), sumBlock(own)] : [])], again };
}

// Where a factor goes, or the term of a bias.
function gainBlock(kind, index) {
  const gained = gains(state, result, kind, index), name = nameIn(state, SYMBOL[kind], kind, index);
  const lines = gained.map(({ name, term }) => {
    const made = term.values.length > 1 ? ` = ${shown(product(term))}` : "";
    return `${name} gets ${term.symbols.join(" ")} = ${inNumbers(term)}${made}`;
  });
  if (kind === "b") return listBlock(`${name} is added to ${lines.length === 1 ? "one output" : `${lines.length} outputs`}:`, lines);
  if (kindOf(state) === "b") return listBlock(`${name} is one term:`, lines);
  const many = lines.length === 1 ? "product" : "products";
  return listBlock(lines.length ? `${name} is a factor of ${lines.length} ${many}:` : `${name} is in no product: no window meets it.`, lines);
}

// What a sum lacks at the border.
function missing(kind, sum) {
  const [rows, columns, images = 1] = sizeOf(state, "y"), outputs = rows * columns * images;
  const met = sum.terms.filter(term => term.values.length > 1).length;
  const taps_ = state.kernel[0] * state.kernel[1] * perGroup(state, "channels");
  if (kind === "y" && met < taps_) return `${taps_ - met} of ${taps_} taps meet padding, which is 0.`;
  if (kind === "x" && !met) return "No window meets this input: it is cropped, skipped or in the rest.";
  if (kind === "k" && met < outputs) return `At ${outputs - met} of ${outputs} outputs this tap meets padding.`;
  return "";
}

function statistics() {
  if (state.map === "dp") return [];
  const entries = state.map === "y" ? [["mean", result.mean], ["variance", result.variance], ["inv_std", result.invStd]]
    : [["scale inv_std", result.factor], ["mean(dJ/dy)", result.meanDy], ["mean(dJ/dy x̂)", result.meanAlong]];
  const list = element("dl", { class: "tiles" });
  for (const [name, value] of entries) list.append(element("div", {}, element("dt", {}, marked(name)), element("dd", {}, shown(value))));
  return state.map === "dx" ? [bars(), list] : [list];
}

// The three terms of an entry as bars from a common zero.
function bars() {
  const terms = normTerms(result, state.at.index);
  const most = Math.max(...terms.map(([, value]) => Math.abs(value)).filter(Number.isFinite), 1e-12);
  const table = element("table", { class: "bars" }, element("caption", {}, "Each term times scale inv_std"));
  for (const [name, value, why] of terms) {
    const width = Number.isFinite(value) ? 50 * Math.abs(value) / most : 0;
    const bar = element("i", { style: `left:${value < 0 ? 50 - width : 50}%;width:${width}%` });
    table.append(element("tr", { class: why === "their sum" ? "whole-sum" : null },
      element("th", { scope: "row" }, marked(name), element("span", { class: "soft" }, ` ${why}`)),
      element("td", { class: "track", "aria-hidden": "true" }, element("div", {}, bar)),
      element("td", { class: "value" }, shown(value))));
  }
  return table;
}

// The cells that belong to the chosen entry: by key, the number of the term and whether a pool's gradient takes that way.
function links() {
  const linked = new Map(), { kind, index } = state.at;
  if (result.problem || state.operation === "batch_norm") return linked;
  if (state.operation === "conv") {
    pathSum(state, result, kind, index).terms.forEach((term, n) => term.keys.forEach(key => linked.set(key, { tag: n + 1 })));
    return linked;
  }
  for (const path of result.paths.filter(path => same(path[kind], index))) {
    const other = kind === "x" ? "y" : "x";
    const won = state.operation === "avg_pool" || result.winners.get(keyOf("y", path.y)) === path;
    linked.set(keyOf(other, path[other]), { tag: "", won });
  }
  return linked;
}

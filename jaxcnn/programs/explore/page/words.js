// The sums beside the grids.

function sumBlock(sum, { note = "", zeros = false } = {}) {
  const symbols = element("p", { class: "symbols" }, marked(`${sum.name} = `)), numbers_ = element("p", { class: "numbers" }, "= ");
  sum.terms.forEach((term, n) => {
    for (const [where, text] of [[symbols, term.symbols.join(" ")], [numbers_, inNumbers(term)]]) {
      const part = element("span", { class: `term${term.empty ? " zero" : ""}` }, marked(text));
      part.keys = term.keys;
      where.append(n ? " + " : "", part);
    }
  });
  const value = element("b", {}, equals(valueOf(sum))), alone = sum.terms.length === 1 && inNumbers(sum.terms[0]) === factor(valueOf(sum));
  if (!sum.terms.length) symbols.append("0");
  else if (alone) numbers_.replaceChildren(value);
  else numbers_.append(" ", value);
  const block = element("div", { class: zeros ? "sum zeros" : "sum" }, symbols);
  if (sum.terms.length) block.append(numbers_);
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
    const again = kind === "y" ? [] : [sumBlock(windowSum(state, result, kind, index), { zeros: true })];
    return { first: [sumBlock(own, { note: missing(kind, own) })], again };
  }
  const lines = gains(state, result, kind, index).map(({ name, terms: [term] }) =>
    `${name} gets ${term.symbols.join(" ")} = ${inNumbers(term)} = ${shown(product(term))}`);
  const name = nameOf(kind === "y" ? "dJ/dy" : kind, index), many = lines.length === 1 ? "product" : "products";
  const title = lines.length ? `${name} is a factor of ${lines.length} ${many}:` : `${name} is in no product: no window meets it.`;
  const other = state.map === "y" ? "So this is its gradient:" : kind === "y" ? "The same pairs made this output:" : "";
  const again = into === "y" ? [] : [remark(`Point at an entry of ${RESULT[into]} to see this sum.`)];
  return { first: [listBlock(title, lines), ...(other ? [remark(other), sumBlock(own)] : [])], again };
}

// What a sum lacks at the border.
function missing(kind, sum) {
  const taps_ = state.kernel[0] * state.kernel[1], outputs = state.dy.flat().length;
  if (kind === "y" && sum.terms.length < taps_) return `${taps_ - sum.terms.length} of ${taps_} taps meet padding, which is 0.`;
  if (kind === "x" && !sum.terms.length) return "No window meets this input: it is cropped, skipped or in the rest.";
  if (kind === "k" && sum.terms.length < outputs) return `At ${outputs - sum.terms.length} of ${outputs} outputs this tap meets padding.`;
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
  const paths = result.paths.filter(path => same(path[kind], index)), pooled = isPool(state.operation);
  paths.forEach((path, n) => {
    for (const other of ["x", "k", "y"].filter(other => other !== kind && !(pooled && other === "k"))) {
      const won = pooled && (state.operation === "avg_pool" || result.winners.get(keyOf("y", path.y)) === path);
      linked.set(keyOf(other, path[other]), { tag: pooled ? "" : n + 1, won });
    }
  });
  return linked;
}

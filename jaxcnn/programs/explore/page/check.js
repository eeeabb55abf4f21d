// Results as JSON, for tests: "#check|STATE|STATE|..." in the address.

function compute(state) {
  return state.operation === "conv" ? convolution(state) : isPool(state.operation) ? pooling(state) : normalization(state);
}

const RESULTS = {
  max_pool: ["y", "dx"],
  avg_pool: ["y", "dx"],
  batch_norm: ["y", "dx", "mean", "variance", "dscale", "dbias"],
};

// Arrays are flat, in the order of the library's.
function checked(text) {
  const state = readState(text), result = compute(state), found = { state: writeState(state), problem: result.problem };
  if (found.problem) return found;
  const flat = (kind, array) => listed(kind, sizeOf(state, kind), array);
  found.dy = flat("y", state.dy);
  if (state.operation !== "conv") {
    for (const name of RESULTS[state.operation]) found[name] = Array.isArray(result[name]) ? result[name].flat() : result[name];
    return found;
  }
  const whatOf = w => ({ pads: [w.lo, w.hi], outputs: w.m });
  found.windows = { dx: result.back.map(whatOf), dk: result.across.map(whatOf) };
  Object.assign(found, { sums: [], windowSums: [] });
  for (const map of Object.keys(MAPS.conv).filter(name => hasMap(state, name))) {
    const kind = KIND_OF_MAP[map], all = ordered(kind, sizeOf(state, kind));
    const add = (values, words, sum) => {
      found[values] = flat(kind, valuesOf(state, result, kind, sum));
      found[words].push(...all.map(index => symbolic(sum(state, result, kind, index))));
    };
    add(map, "sums", pathSum);
    if (kind === "x" || kind === "k") add(`${map}Again`, "windowSums", windowSum);
  }
  return found;
}

function checkAll(address) {
  const texts = address.split("|").slice(1);
  const asText = (_, value) => typeof value === "number" && !Number.isFinite(value) ? written(value) : value;
  return JSON.stringify(texts.map(checked), asText);
}

// Results as JSON, for tests: "#check|STATE|STATE|..." in the address.

function compute(state) {
  return state.operation === "conv" ? convolution(state) : isPool(state.operation) ? pooling(state) : normalization(state);
}

const RESULTS = {
  conv: ["y", "dx", "dxAgain", "dk", "dkAgain"],
  max_pool: ["y", "dx"],
  avg_pool: ["y", "dx"],
  batch_norm: ["y", "dx", "mean", "variance", "dscale", "dbias"],
};

function checked(text) {
  const state = readState(text), result = compute(state), found = { state: writeState(state), problem: result.problem };
  if (found.problem) return found;
  for (const name of RESULTS[state.operation]) found[name] = result[name];
  found.dy = state.dy;
  if (state.operation === "conv") {
    const whatOf = w => ({ pads: [w.lo, w.hi], outputs: w.m });
    found.windows = { dx: result.back.map(whatOf), dk: result.across.map(whatOf) };
    found.sums = [];
    for (const [kind, name] of [["y", "dy"], ["x", "x"], ["k", "k"]])
      for (const index of places(sizeOf(state, name))) found.sums.push(symbolic(pathSum(state, result, kind, index)));
    found.windowSums = [["x", "x"], ["k", "k"]].flatMap(([kind, name]) =>
      places(sizeOf(state, name)).map(index => symbolic(windowSum(state, result, kind, index))));
  }
  return found;
}

function checkAll(address) {
  const texts = address.split("|").slice(1);
  const asText = (_, value) => typeof value === "number" && !Number.isFinite(value) ? written(value) : value;
  return JSON.stringify(texts.map(checked), asText);
}

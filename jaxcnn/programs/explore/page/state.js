// What the page shows. All of it stands in the address, so that a link shows the same.
//   #op=conv&map=dx&input=4x4&kernel=3x3&stride=1x1&dilation=1x1&before=0x0&after=0x0&x=1,3,...&k=...&dy=...&at=x.1.2

const OPERATIONS = { conv: "Convolution", max_pool: "Max pooling", avg_pool: "Mean pooling", batch_norm: "Batch norm" };
const MAPS = {
  conv: { y: "Forward", dx: "Input gradient", dk: "Kernel gradient" },
  max_pool: { y: "Forward", dx: "Input gradient" },
  avg_pool: { y: "Forward", dx: "Input gradient" },
  batch_norm: { y: "Forward", dx: "Input gradient", dp: "Scale and bias" },
};
const LIMITS = { input: [1, 8], kernel: [1, 5], stride: [1, 4], dilation: [1, 3], before: [-3, 4], after: [-3, 4] };
const isPool = operation => operation.endsWith("_pool");

// The kind of entry that a map computes. Entries of dJ/dx have the places of x, and so on.
const KIND_OF_MAP = { y: "y", dx: "x", dk: "k" };
const kindOf = state => state.operation === "batch_norm" ? "x" : KIND_OF_MAP[state.map];

// The first numbers. The image and the filter are those of the document "CNN Basics".
const IMAGE = [[1, 3, 2, 4], [5, 6, 7, 8], [9, 2, 3, 1], [4, 0, 1, 5]];
const FILTER = [[-1, -1, 2], [-1, 2, 1], [2, 1, 1]];
const FIRST = {
  x: (i, j) => IMAGE[i]?.[j] ?? (7 * i + 5 * j + 3 * i * j) % 10,
  k: (i, j) => FILTER[i]?.[j] ?? (2 * i + 3 * j) % 5 - 2,
  dy: (i, j) => [[1, 2], [-1, 3]][i]?.[j] ?? (3 * i + 5 * j + 2) % 7 - 3,
};

const PRESETS = {
  conv: {
    "4×4 with 3×3": "",
    "Padding of 1": "before=1x1&after=1x1",
    "Stride 2, a rest": "input=6x6&stride=2x2",
    "Dilation 2": "input=6x6&dilation=2x2",
    "Full": "input=3x3&kernel=2x2&before=1x1&after=1x1",
    "Unequal, negative": "input=5x5&before=2x-1&after=0x1",
  },
  max_pool: {
    "2×2, stride 2": "",
    "Ties": "input=4x4&kernel=2x2&stride=1x1&x=1,2,2,1,2,2,1,1,0,0,2,2,0,0,2,2&dy=1,2,3,4,5,6,7,8,9",
    "NaN": "input=4x4&kernel=2x2&stride=2x2&x=1,nan,2,4,nan,6,7,8,9,2,-inf,-inf,4,0,-inf,-inf",
    "Rounded up": "input=5x5&kernel=2x2&stride=2x2&ceil=yes",
    "Overlap, padding": "input=5x5&kernel=3x3&stride=2x2&before=1x1&after=1x1",
  },
  avg_pool: {
    "2×2, stride 2": "",
    "Overlap": "input=4x4&kernel=3x3&stride=1x1&dy=1,2,3,4",
    "Rounded up": "input=5x5&kernel=2x2&stride=2x2&ceil=yes",
    "Padding counts": "input=4x4&kernel=3x3&stride=1x1&before=1x1&after=1x1",
    "Padding does not": "input=4x4&kernel=3x3&stride=1x1&before=1x1&after=1x1&count=inside",
  },
  batch_norm: {
    "4×4": "",
    "dy all equal": "input=2x4&x=1,3,2,4,5,6,7,8&dy=2,2,2,2,2,2,2,2",
    "dy along x̂": "input=2x4&x=1,3,2,4,5,6,7,8&dy=-3.5,-1.5,-2.5,-0.5,0.5,1.5,2.5,3.5",
    "One entry of dy": "input=2x4&x=1,3,2,4,5,6,7,8&dy=0,0,0,0,0,1,0,0",
  },
};

function readState(text, operation = document.documentElement.dataset.operation) {
  const given = new Map(text.replace(/^#/, "").split("&").map(part => [part.split("=")[0], decoded(part.slice(part.indexOf("=") + 1))]));
  const state = { operation: given.get("op") in OPERATIONS ? given.get("op") : operation };
  const pooling = isPool(state.operation), normal = state.operation === "batch_norm";
  state.map = given.get("map") in MAPS[state.operation] ? given.get("map") : "y";
  const taps = pooling ? [2, 2] : [3, 3], zero = [0, 0], one = [1, 1];
  state.input = pair(given.get("input"), LIMITS.input, [4, 4]);
  state.kernel = normal ? one : pair(given.get("kernel"), LIMITS.kernel, taps);
  state.stride = normal ? one : pair(given.get("stride"), LIMITS.stride, pooling ? state.kernel.map(k => Math.min(k, 4)) : one);
  state.dilation = normal ? one : pair(given.get("dilation"), LIMITS.dilation, one);
  state.before = normal ? zero : pair(given.get("before"), LIMITS.before, zero);
  state.after = normal ? zero : pair(given.get("after"), LIMITS.after, zero);
  state.ceil = pooling && given.get("ceil") === "yes";
  for (const name of ["x", "k", "dy"]) state[name] = numbers(given.get(name), sizeOf(state, name), FIRST[name]);
  state.countPads = given.get("count") !== "inside";
  state.scale = numberOr(given.get("scale"), 1);
  state.bias = numberOr(given.get("bias"), 0);
  state.epsilon = Math.max(numberOr(given.get("eps"), 1e-5), 0);
  state.at = selection(given.get("at"), state);
  return state;
}

// Rows and columns of x, k or dy. Sizes of dy follow from the others.
function sizeOf(state, name) {
  return name === "x" ? state.input : name === "k" ? state.kernel : windows(state).map(w => w.m);
}

// "3x2" as [3, 2], each within the limits.
function pair(text, [low, high], otherwise) {
  const match = /^(-?\d+)x(-?\d+)$/.exec(text ?? "");
  return match ? match.slice(1).map(n => Math.min(Math.max(Number(n), low), high)) : otherwise.slice();
}

const numberOr = (text, otherwise) => {
  const value = typed(text ?? "");
  return value === null || !Number.isFinite(value) ? otherwise : value;
};

function numbers(text, size, first) {
  const values = text ? text.split(",").map(typed) : [];
  return filled(size, (i, j) => values[i * size[1] + j] ?? first(i, j));
}

// The chosen entry; the first of those that the map computes, where there is no such one.
function selection(text, state) {
  const match = /^([xyk])\.(\d+)\.(\d+)$/.exec(text ?? "");
  if (match) {
    const index = [match[2] - 1, match[3] - 1], size = sizeOf(state, match[1] === "y" ? "dy" : match[1]);
    const shownHere = state.operation === "batch_norm" ? match[1] === "x" : state.operation === "conv" || match[1] !== "k";
    if (shownHere && index.every((n, axis) => n >= 0 && n < size[axis])) return { kind: match[1], index };
  }
  return { kind: kindOf(state), index: [0, 0] };
}

function writeState(state) {
  const words = [`op=${state.operation}`, `map=${state.map}`];
  const sizes = state.operation === "batch_norm" ? ["input"] : Object.keys(LIMITS);
  for (const field of sizes) words.push(`${field}=${state[field].join("x")}`);
  const arrays = state.operation === "conv" ? ["x", "k", "dy"] : ["x", "dy"];
  for (const name of arrays) words.push(`${name}=${state[name].flat().map(written)}`);
  if (state.operation === "avg_pool" && !state.countPads) words.push("count=inside");
  if (state.ceil) words.push("ceil=yes");
  if (state.operation === "batch_norm") words.push(`scale=${state.scale}`, `bias=${state.bias}`, `eps=${state.epsilon}`);
  return [...words, `at=${keyOf(state.at.kind, state.at.index)}`].join("&");
}

// The state with other sizes: numbers stay where they were, new ones are added.
const resized = (state, field, axis, size) => reshaped({ ...state, [field]: state[field].with(axis, size) });

function reshaped(state) {
  const changed = { ...state };
  for (const name of ["x", "k", "dy"]) changed[name] = filled(sizeOf(state, name), (i, j) => state[name][i]?.[j] ?? FIRST[name](i, j));
  return { ...changed, at: selection(keyOf(state.at.kind, state.at.index), changed) };
}

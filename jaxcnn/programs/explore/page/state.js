// What the page shows. All of it stands in the address, so that a link shows the same.
//   #op=conv&map=dx&input=4x4&kernel=3x3&stride=1x1&dilation=1x1&before=0x0&after=0x0&x=1,3,...&k=...&dy=...&at=x.1.2
// A convolution may have channels=2&outputs=3&groups=1&images=2&b=1,2,3 too, and then at=x.1.2.1.2: a place and its plane.

const OPERATIONS = { conv: "Convolution", max_pool: "Max pooling", avg_pool: "Mean pooling", batch_norm: "Batch norm" };
const MAPS = {
  conv: { y: "Forward", dx: "Input gradient", dk: "Kernel gradient", db: "Bias gradient" },
  max_pool: { y: "Forward", dx: "Input gradient" },
  avg_pool: { y: "Forward", dx: "Input gradient" },
  batch_norm: { y: "Forward", dx: "Input gradient", dp: "Scale and bias" },
};
const LIMITS = { input: [1, 8], kernel: [1, 5], stride: [1, 4], dilation: [1, 3], before: [-3, 4], after: [-3, 4] };
const isPool = operation => operation.endsWith("_pool");

// The kind of entry that a map computes. Entries of dJ/dx have the places of x, and so on.
const KIND_OF_MAP = { y: "y", dx: "x", dk: "k", db: "b" };
const kindOf = state => state.operation === "batch_norm" ? "x" : KIND_OF_MAP[state.map];
const shownKinds = state => state.operation === "batch_norm" ? "x" : isPool(state.operation) ? "xy"
  : { y: "xkyb", dx: "xky", dk: "xky", db: "yb" }[state.map];
const hasMap = (state, map) => map in MAPS[state.operation] && (map !== "db" || state.b !== null);

// The arrays of numbers, and the kind of their entries.
const ARRAYS = { x: "x", k: "k", y: "dy", b: "b" };
const numbersOf = (state, kind) => state[ARRAYS[kind]];
const kindsOf = state => Object.keys(ARRAYS).filter(kind => kind !== "b" || state.b !== null);

// The first numbers. The image and the filter are those of the document "CNN Basics".
const IMAGE = [[1, 3, 2, 4], [5, 6, 7, 8], [9, 2, 3, 1], [4, 0, 1, 5]];
const FILTER = [[-1, -1, 2], [-1, 2, 1], [2, 1, 1]];
const COTANGENT = [[1, 2], [-1, 3]];
const FIRST = {
  x: (i, j, p = 0, q = 0) => p + q ? (7 * i + 5 * j + 3 * i * j + 4 * p + 2 * q) % 10 : IMAGE[i]?.[j] ?? (7 * i + 5 * j + 3 * i * j) % 10,
  k: (i, j, p = 0, q = 0) => p + q ? (2 * i + 3 * j + p + 3 * q) % 5 - 2 : FILTER[i]?.[j] ?? (2 * i + 3 * j) % 5 - 2,
  y: (i, j, p = 0, q = 0) => p + q ? (3 * i + 5 * j + 4 * p + 3 * q) % 7 - 3 : COTANGENT[i]?.[j] ?? (3 * i + 5 * j + 2) % 7 - 3,
  b: (_, o) => o + 1,
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

// Examples of a convolution with channels.
const DEEP = {
  "Two channels": "kernel=2x2&channels=2&b=",
  "Two kernels": "kernel=2x2&channels=2&outputs=2",
  "Depthwise": "kernel=2x2&channels=3&outputs=3&groups=3",
  "Two images": "kernel=2x2&images=2&b=",
};

function readState(text, operation = document.documentElement.dataset.operation) {
  const given = new Map(text.replace(/^#/, "").split("&").map(part => [part.split("=")[0], decoded(part.slice(part.indexOf("=") + 1))]));
  const state = { operation: given.get("op") in OPERATIONS ? given.get("op") : operation };
  const pooling = isPool(state.operation), normal = state.operation === "batch_norm", conv = state.operation === "conv";
  const taps = pooling ? [2, 2] : [3, 3], zero = [0, 0], one = [1, 1];
  state.input = pair(given.get("input"), LIMITS.input, [4, 4]);
  state.kernel = normal ? one : pair(given.get("kernel"), LIMITS.kernel, taps);
  state.stride = normal ? one : pair(given.get("stride"), LIMITS.stride, pooling ? state.kernel.map(k => Math.min(k, 4)) : one);
  state.dilation = normal ? one : pair(given.get("dilation"), LIMITS.dilation, one);
  state.before = normal ? zero : pair(given.get("before"), LIMITS.before, zero);
  state.after = normal ? zero : pair(given.get("after"), LIMITS.after, zero);
  state.ceil = pooling && given.get("ceil") === "yes";
  for (const field of Object.keys(MOST)) state[field] = conv ? whole(given.get(field), MOST[field]) : 1;
  state.groups = grouped(state).groups;
  state.b = conv && given.has("b") ? [] : null;
  for (const kind of kindsOf(state)) state[ARRAYS[kind]] = numbers(given.get(ARRAYS[kind]), kind, sizeOf(state, kind));
  state.map = hasMap(state, given.get("map")) ? given.get("map") : "y";
  state.countPads = given.get("count") !== "inside";
  state.scale = numberOr(given.get("scale"), 1);
  state.bias = numberOr(given.get("bias"), 0);
  state.epsilon = Math.max(numberOr(given.get("eps"), 1e-5), 0);
  state.at = selection(given.get("at"), state);
  return state;
}

// Rows, columns and planes of a kind of entries. Those of y follow from the others.
function sizeOf(state, kind) {
  const sides = { x: () => state.input, k: () => state.kernel, y: () => sizes(windows(state), "m"), b: () => [1, state.outputs] };
  return [...sides[kind](), ...planeSize(state, kind)];
}

// "3x2" as [3, 2], each within the limits.
function pair(text, [low, high], otherwise) {
  const match = /^(-?\d+)x(-?\d+)$/.exec(text ?? "");
  return match ? match.slice(1).map(n => Math.min(Math.max(Number(n), low), high)) : otherwise.slice();
}

// A number from 1 to the most.
const whole = (text, most) => /^\d+$/.test(text ?? "") ? Math.min(Math.max(Number(text), 1), most) : 1;

const numberOr = (text, otherwise) => {
  const value = typed(text ?? "");
  return value === null || !Number.isFinite(value) ? otherwise : value;
};

function numbers(text, kind, size) {
  const values = text ? text.split(",").map(typed) : [];
  const given = new Map(ordered(kind, size).map((index, n) => [index.join(), values[n]]));
  return filled(size, (...index) => given.get(index.join()) ?? FIRST[kind](...index));
}

// The numbers of an array as the address has them.
const listed = (kind, size, array) => ordered(kind, size).map(index => at(array, index));

// The chosen entry; the first of those that the map computes, where there is no such one.
function selection(text, state) {
  const match = /^([xykb])((?:\.\d+){2}|(?:\.\d+){4})$/.exec(text ?? "");
  if (match && shownKinds(state).includes(match[1]) && kindsOf(state).includes(match[1])) {
    const size = sizeOf(state, match[1]), given = match[2].split(".").slice(1).map(n => n - 1);
    const index = size.map((_, axis) => given[axis] ?? 0);
    if (index.every((n, axis) => n >= 0 && n < size[axis])) return { kind: match[1], index };
  }
  return { kind: kindOf(state), index: sizeOf(state, kindOf(state)).map(() => 0) };
}

function writeState(state) {
  const words = [`op=${state.operation}`, `map=${state.map}`];
  const sizes = state.operation === "batch_norm" ? ["input"] : Object.keys(LIMITS);
  for (const field of sizes) words.push(`${field}=${state[field].join("x")}`);
  for (const field of Object.keys(MOST)) if (state[field] > 1) words.push(`${field}=${state[field]}`);
  const kinds = state.operation === "conv" ? kindsOf(state) : ["x", "y"];
  for (const kind of kinds) words.push(`${ARRAYS[kind]}=${listed(kind, sizeOf(state, kind), numbersOf(state, kind)).map(written)}`);
  if (state.operation === "avg_pool" && !state.countPads) words.push("count=inside");
  if (state.ceil) words.push("ceil=yes");
  if (state.operation === "batch_norm") words.push(`scale=${state.scale}`, `bias=${state.bias}`, `eps=${state.epsilon}`);
  return [...words, `at=${keyOf(state.at.kind, state.at.index)}`].join("&");
}

// The state with other sizes: numbers stay where they were, new ones are added.
const resized = (state, field, axis, size) => reshaped({ ...state, [field]: state[field].with(axis, size) });

function reshaped(state) {
  const changed = { ...grouped(state) };
  for (const kind of kindsOf(changed)) changed[ARRAYS[kind]] = filled(sizeOf(changed, kind), (...index) =>
    kept(numbersOf(state, kind), index) ?? FIRST[kind](...index));
  if (!hasMap(changed, changed.map)) changed.map = "y";
  return { ...changed, at: selection(keyOf(state.at.kind, state.at.index), changed) };
}

// The number at a place of an array that may have had other sizes, or one plane.
function kept(array, [row, column, p = 0, q = 0]) {
  const found = array[row]?.[column];
  return Array.isArray(found) ? found[p]?.[q] : p + q ? undefined : found;
}

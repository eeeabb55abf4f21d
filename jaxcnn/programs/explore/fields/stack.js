// A stack of layers, and the unit that is pointed at. All of it stands in the address, so that a link shows the same.
//   #input=28&stack=conv:k5:same,pool:k2:s2,conv:k3:d2:p1/2,up:k4:s2:p1&at=2.7
// A layer is its kind, then in any order its kernel k, stride s, dilation d and padding: a word, p1 on both sides, or p1/2.
// What is left out is 1, a pool's stride its kernel, that of a transposed convolution 2. Layer 0 is the input.

const KINDS = { conv: "convolution", pool: "pool", up: "transposed" };
const WORDS = {
  conv: ["valid", "same", "same_lower", "full", "causal"], pool: ["valid", "same", "same_lower", "full", "causal"], up: ["valid", "same"],
};
const BOUNDS = { kernel: [1, 64], stride: [1, 32], dilation: [1, 1024], padding: [-1024, 1024], input: [1, 1024] };
const LETTERS = { k: "kernel", s: "stride", d: "dilation" };
const MOST = { layers: 30, units: 4096 };

const PRESETS = {
  "LeNet": "input=28&stack=conv:k5:same,pool:k2,conv:k5:same,pool:k2",
  "VGG": "input=32&stack=conv:k3:same,conv:k3:same,pool:k2,conv:k3:same,conv:k3:same,pool:k2,conv:k3:same,conv:k3:same,pool:k2",
  "ResNet's stem": "input=64&stack=conv:k7:s2:p3,pool:k3:s2:p1,conv:k3:p1,conv:k3:p1",
  "WaveNet": "input=32&stack=conv:k2:causal,conv:k2:d2:causal,conv:k2:d4:causal,conv:k2:d8:causal",
  "CNN Basics": "input=32&stack=conv:k3,pool:k2,conv:k3:p1,pool:k2",
  "Two of 3": "input=9&stack=conv:k3,conv:k3",
  "Down and up": "input=16&stack=conv:k3:s2:p1,conv:k3:s2:p1,up:k4:p1,up:k4:p1",
};

const strideOf = (kind, kernel) => kind === "pool" ? Math.min(kernel, BOUNDS.stride[1]) : kind === "up" ? 2 : 1;
const whole = text => /^-?\d{1,7}$/.test(text) ? Number(text) : NaN;
const within = (name, value) => value >= BOUNDS[name][0] && value <= BOUNDS[name][1];

function bounded(name, text) {
  const value = whole(text), [low, high] = BOUNDS[name];
  if (!within(name, value)) throw new Error(`${name} must be a whole number from ${low} to ${high}, got "${text}"`);
  return value;
}

// The stack that an address says; throws an Error that tells what is wrong with it.
function readStack(text) {
  const given = new Map();
  for (const part of decoded(text.replace(/^#/, "")).split("&")) {
    const [name, ...rest] = part.split("=");
    if (!["input", "stack", "at"].includes(name)) throw new Error(`there is no "${name}": write input=, stack= and at=`);
    if (given.has(name)) throw new Error(`${name}= stands there twice`);
    given.set(name, rest.join("="));
  }
  for (const name of ["input", "stack"]) if (!given.has(name)) throw new Error(`${name}= is missing`);
  const words = given.get("stack").split(",").filter(word => word !== "");
  if (words.length > MOST.layers) throw new Error(`stack has ${words.length} layers, more than ${MOST.layers}`);
  const state = { input: bounded("input", given.get("input")), layers: words.map(readLayer), at: null };
  if (given.has("at")) {
    const match = /^(\d{1,2})\.(\d{1,4})$/.exec(given.get("at"));
    if (!match) throw new Error(`at must be a layer and its unit, such as 2.7, got "${given.get("at")}"`);
    state.at = [Number(match[1]), Number(match[2])];
  }
  return state;
}

function readLayer(text, place) {
  const [kind, ...words] = text.split(":"), layer = {}, where = `layer ${place + 1}, "${text}"`;
  if (!(kind in KINDS)) throw new Error(`${where}: its kind must be conv, pool or up`);
  for (const word of words) {
    const name = LETTERS[word[0]], rest = word.slice(1), numbered = /^-?\d/.test(rest);
    const field = name && numbered ? name : "padding";
    if (field in layer) throw new Error(`${where}: two words give its ${field}`);
    try {
      if (field !== "padding") layer[field] = bounded(field, rest);
      else if (WORDS[kind].includes(word)) layer.padding = word;
      else if (word[0] === "p" && numbered && rest.split("/").length < 3) {
        const pads = rest.split("/").map(part => bounded("padding", part));
        layer.padding = [pads[0], pads.at(-1)];
      } else throw new Error(`"${word}" is no kernel k3, stride s2, dilation d2 or padding p1, p1/2, ${WORDS[kind].join(", ")}`);
    } catch (error) { throw new Error(`${where}: ${error.message}`); }
  }
  const kernel = layer.kernel ?? (kind === "pool" ? 2 : 3);
  return { kind, kernel, stride: layer.stride ?? strideOf(kind, kernel), dilation: layer.dilation ?? 1, padding: layer.padding ?? "valid" };
}

function writeLayer({ kind, kernel, stride, dilation, padding }) {
  const words = [kind, `k${kernel}`];
  if (stride !== strideOf(kind, kernel)) words.push(`s${stride}`);
  if (dilation !== 1) words.push(`d${dilation}`);
  if (Array.isArray(padding)) words.push(padding[0] === padding[1] ? `p${padding[0]}` : `p${padding.join("/")}`);
  else if (padding !== "valid") words.push(padding);
  return words.join(":");
}

const writeStack = state => `input=${state.input}&stack=${state.layers.map(writeLayer)}&at=${state.at.join(".")}`;

// [lo, hi] of a layer on n units. Of a transposed convolution they are cut off the full result, and "same" gives n s units.
function padsOf({ kind, kernel, stride, dilation, padding }, n) {
  if (Array.isArray(padding)) return padding;
  const span = dilated(kernel, dilation);
  if (padding === "valid") return [0, 0];
  if (padding === "full") return [span - 1, span - 1];
  if (padding === "causal") return [span - 1, 0];
  if (kind === "up") {
    const low = Math.floor(Math.max(span - stride, 0) / 2);
    return [low, span - stride - low];
  }
  const total = Math.max((Math.ceil(n / stride) - 1) * stride + span - n, 0), less = Math.floor(total / 2);
  return padding === "same" ? [less, total - less] : [total - less, less];
}

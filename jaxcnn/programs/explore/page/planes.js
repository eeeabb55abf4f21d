// Images, channels and outputs of a convolution. x has a plane of rows and columns for each image and channel, k for each
// channel and output, y for each image and output. An index is the place in a plane, and which plane, if there is more than
// one: [row, column, p, q]. The bias is one row, a number for each output.

const MOST = { channels: 3, outputs: 3, groups: 3, images: 2 };
const isFlat = state => state.images * state.channels * state.outputs === 1;
const perGroup = (state, field) => state[field] / state.groups;

// How many planes an array has; of one plane, nothing.
function planeSize(state, kind) {
  if (isFlat(state) || kind === "b") return [];
  if (kind === "k") return [perGroup(state, "channels"), state.outputs];
  return [state.images, kind === "x" ? state.channels : state.outputs];
}

const placeOf = index => index.slice(0, 2);
const planeOf = index => index.slice(2);

// The planes that meet: an output adds up the channels of its group, each with a kernel of its own.
function meetings(state) {
  if (isFlat(state)) return [{ x: [], k: [], y: [] }];
  const channels = perGroup(state, "channels"), outputs = perGroup(state, "outputs");
  return places([state.images, state.outputs, channels]).map(([n, o, c]) => ({
    x: [n, Math.floor(o / outputs) * channels + c], k: [c, o], y: [n, o],
  }));
}

// Names as those of `jaxcnn derive`: what there is one of is left out, and the place stays.
function nameIn(state, symbol, kind, index) {
  if (kind === "b") return `${symbol}_${index[1] + 1}`;
  const [outer = [], inner = []] = planeSize(state, kind).map((size, n) => size > 1 ? [index[2 + n] + 1] : []);
  const parts = kind === "k" ? [place(index), ...outer, ...inner] : [...outer, place(index), ...inner];
  return `${symbol}_${parts.join(";")}`;
}

// What is said above a plane: its image, and its channel or output.
function planeLabels(state, kind, plane) {
  const size = planeSize(state, kind), words = { x: ["image", "channel"], k: ["channel", "output"], y: ["image", "output"] }[kind];
  if (kind === "k" && size.every(n => n > 1)) return [plane.map(n => n + 1).join(" → ")];
  return plane.flatMap((n, axis) => size[axis] > 1 ? [`${words[axis]} ${n + 1}`] : []);
}

// What a sum adds up besides places: channels, outputs or images. Nothing where there is one.
function partOf(state, kind, planes) {
  if (kind === "x") return perGroup(state, "outputs") > 1 ? `output ${planes.y[1] + 1}` : "";
  if (kind !== "y") return state.images > 1 ? `image ${planes.y[0] + 1}` : "";
  return perGroup(state, "channels") === 1 ? "" : planes.bias ? "bias" : `channel ${planes.x[1] + 1}`;
}

// Groups divide channels and outputs; where they do not, there is one.
const divides = (state, groups) => state.channels % groups === 0 && state.outputs % groups === 0;
const grouped = state => divides(state, state.groups) ? state : { ...state, groups: 1 };

// All indices in the order of the library's arrays: images, rows, columns, channels; rows, columns, channels, outputs.
function ordered(kind, size) {
  if (kind === "k" || size.length < 4) return places(size);
  const [rows, columns, images, channels] = size;
  return places([images, rows, columns, channels]).map(([n, i, j, c]) => [i, j, n, c]);
}

// Plane by plane, as a window slides.
const planeByPlane = size => places(planeOf(size)).flatMap(plane => places(placeOf(size)).map(index => [...index, ...plane]));

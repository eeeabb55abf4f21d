// Convolution: y_j = sum_t x_i k_t with i = s j + d t - lo, and its two gradients. Each is computed twice: along the
// paths of the forward pass, and as a convolution of its own.

const RESULT = { y: "y", x: "dJ/dx", k: "dJ/dk" };
const FACTORS = { y: ["x", "k"], x: ["y", "k"], k: ["y", "x"] };
const SYMBOL = { x: "x", k: "k", y: "dJ/dy" };
const numbersOf = (state, kind) => kind === "y" ? state.dy : state[kind];

function convolution(state) {
  const axes = windows(state), back = axes.map(inputGradWindow), across = axes.map(kernelGradWindow);
  const result = { axes, back, across, paths: pathsOf(axes), problem: "" };
  if (sizes(axes, "m").includes(0)) return { ...result, problem: "The kernel is larger than the padded input" };
  const by = (kind, sum) => filled(sizeOf(state, kind === "y" ? "dy" : kind), (i, j) => valueOf(sum(state, result, kind, [i, j])));
  return Object.assign(result, {
    y: by("y", pathSum), dx: by("x", pathSum), dk: by("k", pathSum), dxAgain: by("x", windowSum), dkAgain: by("k", windowSum),
  });
}

// The sum of an entry along the paths that pass through it.
function pathSum(state, result, kind, index) {
  const terms = result.paths.filter(path => same(path[kind], index)).map(path => termOf(state, FACTORS[kind], path));
  return { name: nameOf(RESULT[kind], index), terms };
}

function termOf(state, kinds, path) {
  return {
    symbols: kinds.map(kind => nameOf(SYMBOL[kind], path[kind])),
    values: kinds.map(kind => at(numbersOf(state, kind), path[kind])),
    keys: kinds.map(kind => keyOf(kind, path[kind])),
    path,
  };
}

// The same as one position of a window: of the flipped kernel on dJ/dy, or of dJ/dy on x. Its zeros are written too.
function windowSum(state, result, kind, index) {
  const [axes, image, taps] = kind === "x" ? [result.back, "y", "k"] : [result.across, "x", "y"];
  const terms = products(axes, index).map(({ tap, met }) => {
    const used = kind === "x" ? tap.map((t, axis) => state.kernel[axis] - 1 - t) : tap;
    const entry = (of, index) => [nameOf(SYMBOL[of], index), at(numbersOf(state, of), index), keyOf(of, index)];
    const beside = entry(taps, used), below = met ? entry(image, met) : ["0", 0, ""];
    const both = kind === "x" || !met ? [below, beside] : [beside, below];
    const [symbols, values, keys] = [0, 1, 2].map(part => both.map(factor_ => factor_[part]));
    return { symbols, values, keys, empty: !met };
  });
  return { name: nameOf(RESULT[kind], index), terms };
}

// Where a factor goes: each entry that it adds to, and with what.
function gains(state, result, kind, index) {
  const into = kindOf(state);
  return result.paths.filter(path => same(path[kind], index)).map(path => ({
    name: nameOf(RESULT[into], path[into]), terms: [termOf(state, FACTORS[into], path)],
  }));
}

// Convolution: y_j = sum_t x_i k_t with i = s j + d t - lo, and its two gradients. Each is computed twice: along the
// paths of the forward pass, and as a convolution of its own. Channels add up, and a bias is added at each place.

const RESULT = { y: "y", x: "dJ/dx", k: "dJ/dk", b: "dJ/db" };
const SYMBOL = { x: "x", k: "k", y: "dJ/dy", b: "b" };

function convolution(state) {
  const axes = windows(state), back = axes.map(inputGradWindow), across = axes.map(kernelGradWindow);
  const result = { axes, back, across, planes: meetings(state), steps: {}, problem: "" };
  if (sizes(axes, "m").includes(0)) return { ...result, problem: "The kernel is larger than the padded input" };
  for (const kind of ["x", "k", "y"]) result.steps[kind] = filled(placeOf(sizeOf(state, kind)), () => []);
  for (const step of pathsOf(axes)) for (const kind of ["x", "k", "y"]) at(result.steps[kind], step[kind]).push(step);
  result[state.map] = valuesOf(state, result, kindOf(state), pathSum);
  return result;
}

const valuesOf = (state, result, kind, sum) =>
  filled(sizeOf(state, kind), (...index) => valueOf(sum(state, result, kind, index)));

// The paths that pass through an entry: from an input through a tap to an output, or from a bias to one.
function pathsThrough(state, result, kind, index) {
  const paths = [];
  if (kind !== "b") for (const planes of result.planes.filter(of => same(of[kind], planeOf(index)))) {
    const whole = (step, of) => [...step[of], ...planes[of]];
    for (const step of at(result.steps[kind], placeOf(index))) {
      paths.push({ x: whole(step, "x"), k: whole(step, "k"), y: whole(step, "y"), part: partOf(state, kind, planes) });
    }
  }
  if (state.b && (kind === "y" || kind === "b")) {
    const outputs = kind === "y" ? [index] : planeByPlane(sizeOf(state, "y")).filter(y => (y[3] ?? 0) === index[1]);
    for (const y of outputs) paths.push({ y, b: [0, y[3] ?? 0], part: partOf(state, kind, { y: planeOf(y), bias: true }) });
  }
  return paths;
}

// What is multiplied along a path, for an entry of a kind.
const factorsOf = (kind, path) => path.b ? [kind === "y" ? "b" : "y"] : { y: ["x", "k"], x: ["y", "k"], k: ["y", "x"] }[kind];

// The sum of an entry along the paths that pass through it.
function pathSum(state, result, kind, index) {
  const terms = pathsThrough(state, result, kind, index).map(path => termOf(state, kind, path));
  return { name: nameIn(state, RESULT[kind], kind, index), terms };
}

function termOf(state, kind, path) {
  const kinds = factorsOf(kind, path);
  return {
    symbols: kinds.map(of => nameIn(state, SYMBOL[of], of, path[of])),
    values: kinds.map(of => at(numbersOf(state, of), path[of])),
    keys: kinds.map(of => keyOf(of, path[of])),
    part: path.part,
  };
}

// The same as one position of a window: of the flipped kernel on dJ/dy, or of dJ/dy on x. Its zeros are written too.
function windowSum(state, result, kind, index) {
  const [axes, image, taps] = kind === "x" ? [result.back, "y", "k"] : [result.across, "x", "y"];
  const meeting = result.planes.filter(of => same(of[kind], planeOf(index)));
  const terms = meeting.flatMap(planes => products(axes, placeOf(index)).map(({ tap, met }) => {
    const used = kind === "x" ? tap.map((t, axis) => state.kernel[axis] - 1 - t) : tap;
    const entry = (of, place_) => {
      const whole = [...place_, ...planes[of]];
      return [nameIn(state, SYMBOL[of], of, whole), at(numbersOf(state, of), whole), keyOf(of, whole)];
    };
    const beside = entry(taps, used), below = met ? entry(image, met) : ["0", 0, ""];
    const both = kind === "x" || !met ? [below, beside] : [beside, below];
    const [symbols, values, keys] = [0, 1, 2].map(part => both.map(factor_ => factor_[part]));
    return { symbols, values, keys, empty: !met, part: partOf(state, kind, planes) };
  }));
  return { name: nameIn(state, RESULT[kind], kind, index), terms };
}

// Where a factor goes: each entry that it adds to, and with what.
function gains(state, result, kind, index) {
  const into = kindOf(state);
  return pathsThrough(state, result, kind, index).filter(path => path[into]).map(path => ({
    name: nameIn(state, RESULT[into], into, path[into]), term: termOf(state, into, path),
  }));
}

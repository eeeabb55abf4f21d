// Which grids stand on the page for a map, with which entries. A grid is an image, whose places a window slides over, or
// a kernel; values are read anew whenever a number changes.

const CAPTION = { x: "input x", k: "kernel k", y: "output y", dy: "dJ/dy", dx: "dJ/dx", dk: "dJ/dk" };

// The operand of a window, with holes, pads and cropped parts. `by` is the kind of entry whose window is framed.
function image(id, axes, kind, value, more = {}) {
  const low = axes.map(w => Math.max(w.lo, 0));
  return {
    id, kind, value, caption: CAPTION[id], ...more,
    from: low.map(lo => -lo), count: axes.map((w, axis) => low[axis] + dilated(w.n, w.b) + Math.max(w.hi, 0)),
    index: position => {
      const whole = axes.map((w, axis) => elementAt({ ...w, lo: 0, hi: 0 }, position[axis]));
      return whole.includes(null) ? null : whole;
    },
    looks: position => {
      const where = test => axes.some((w, axis) => test(position[axis], dilated(w.n, w.b), w));
      return where((p, n, w) => p < -w.lo || p >= n + w.hi) ? "cut" : where((p, n, w) => p >= n + w.hi - w.r) ? "rest"
        : where((p, n) => p < 0 || p >= n) ? "pad" : "";
    },
    frame: ({ kind: pointed, index }) => more.by === pointed
      ? axes.map((w, axis) => [w.s * index[axis] - w.lo + low[axis], dilated(w.k, w.d)]) : null,
  };
}

// A plain array, or the taps of a kernel as far apart as their dilation says; `flip` turns it around.
function taps(id, size, kind, value, { dilation = [1, 1], flip = false, ...more } = {}) {
  return {
    id, kind, value, caption: CAPTION[id], ...more, from: [0, 0], count: size.map((n, axis) => dilated(n, dilation[axis])),
    index: position => position.some((p, axis) => p % dilation[axis]) ? null
      : position.map((p, axis) => flip ? size[axis] - 1 - p / dilation[axis] : p / dilation[axis]),
    looks: () => "", frame: () => null,
  };
}

const given = name => index => at(state[name], index);
const found = name => index => at(result[name], index);

function scene() {
  if (result.problem) return problemScene();
  return state.operation === "conv" ? convScene() : isPool(state.operation) ? poolScene() : normScene();
}

// The input alone, so that there is something to go on with.
function problemScene() {
  const sentence = `${result.problem}: jaxcnn refuses this. Choose other sizes.`;
  return { main: [taps("x", state.input, "x", given("x"), { edit: "x" })], signs: [], sentence };
}

function convScene() {
  const { axes, back, across } = result, outputs = sizes(axes, "m"), step = sizes(axes, "s"), spread = sizes(axes, "d");
  const x = image("x", axes, "x", given("x"), { edit: "x", by: "y" }), k = taps("k", state.kernel, "k", given("k"), { edit: "k" });
  const dy = taps("dy", outputs, "y", given("dy"), { edit: "dy" });
  if (state.map === "y") return {
    main: [x, k, taps("y", outputs, "y", found("y"))], signs: ["∗", "="],
    sentence: "The kernel slides over the input. Each output is the sum of the products below the window.",
  };
  const holes = step.some(s => s > 1) ? `, spread by the stride (${step.join("×")})` : "";
  const steps = spread.some(d => d > 1) ? `, in steps of the dilation (${spread.join("×")})` : "";
  if (state.map === "dx") return {
    main: [dy, k, image("dx", axes, "x", found("dx"), { by: "y" })], signs: ["", "→"],
    sentence: "An input gets dJ/dy from each output that saw it, times the tap between the two. What falls on padding is dropped.",
    again: {
      title: "The same sum, as a full convolution", grids: [
        image("dy-wide", back, "y", given("dy"), { by: "x", caption: `dJ/dy${holes}${padding(back) && ", padded"}` }),
        taps("k-flipped", state.kernel, "k", given("k"), { dilation: spread, flip: true, caption: "k, flipped" }),
      ],
      sentence: `The flipped kernel slides over dJ/dy${holes}${padding(back)}.`,
    },
  };
  return {
    main: [image("x", axes, "x", given("x"), { edit: "x", by: "y" }), dy, taps("dk", state.kernel, "k", found("dk"))], signs: ["", "→"],
    sentence: "A tap gets one product from each output: dJ/dy there, times the input that the tap met.",
    again: {
      title: "The same sum, as a cross-correlation", grids: [
        image("x-wide", across, "x", given("x"), { by: "k", caption: `input x${padding(across) && " with its pads"}` }),
        taps("dy-kernel", outputs, "y", given("dy"), { dilation: step, caption: `dJ/dy as a kernel${holes}` }),
      ],
      sentence: `dJ/dy${holes && `${holes},`} slides over x${padding(across)}${steps}.`,
    },
  };
}

// The pads in words; nothing if there are none.
function padding(axes) {
  const [above, below, left, right] = axes.flatMap(w => [w.lo, w.hi]);
  if (above === below && left === right && above === left) return above ? `, padded by ${shown(above)} on each side` : "";
  return `, padded by ${shown(above)} above, ${shown(below)} below, ${shown(left)} left, ${shown(right)} right`;
}

function poolScene() {
  const { axes } = result, outputs = sizes(axes, "m"), largest = state.operation === "max_pool";
  const x = image("x", axes, "x", given("x"), { edit: "x", by: "y", blank: largest ? `${MINUS}∞` : "0" });
  const dy = taps("dy", outputs, "y", given("dy"), { edit: "dy" });
  if (state.map === "y") return {
    main: [x, taps("y", outputs, "y", found("y"))], signs: ["→"],
    sentence: largest ? "Each output is the largest number of its window. Padding never wins." : "Each output is the mean of its window.",
  };
  return {
    main: [x, dy, taps("dx", state.input, "x", found("dx"))], signs: ["", "→"],
    sentence: largest ? "The whole of dJ/dy goes to the input that won, and adds up where windows overlap. The others get nothing."
      : "Each output divides dJ/dy evenly among the taps that it counted; shares add up where windows overlap.",
  };
}

function normScene() {
  const grid = (id, caption, value, edit = null) => taps(id, state.input, "x", value, { caption, edit });
  const x = grid("x", "input x", given("x"), "x"), dy = grid("dy", "dJ/dy", given("dy"), "dy");
  const hat = grid("hat", "x̂, of mean 0, variance 1", found("hat"));
  if (state.map === "y") return {
    main: [x, hat, grid("y", "output y", found("y"))], signs: ["→", "→"],
    sentence: "All entries are one set. It is shifted to mean 0 and divided by its deviation, then scaled and shifted by two parameters.",
  };
  if (state.map === "dp") return {
    main: [dy, hat, grid("along", "dJ/dy x̂", found("along"))], signs: ["·", "="],
    sentence: "Scale multiplies every x̂, and bias is added to each: so dJ/dscale sums dJ/dy x̂, and dJ/dbias sums dJ/dy.",
  };
  const second = grid("second", `${MINUS} mean(dJ/dy)`, found("second"));
  const third = grid("third", `${MINUS} x̂ mean(dJ/dy x̂)`, found("third"));
  return {
    main: [x, dy, second, third, grid("dx", "dJ/dx: the sum, times scale inv_std", found("dx"))], signs: ["", "+", "+", "→"],
    sentence: "An entry moves y in three ways: by itself, through the mean, and through the variance. "
      + "The three terms add up, times scale inv_std.",
  };
}

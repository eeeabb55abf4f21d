// Batch norm of one channel: all entries are one set. In training its gradient has three terms, because each entry moves
// the mean and the variance too:  dx = scale inv_std (dy - mean(dy) - x_hat mean(dy x_hat)).

function normalization(state) {
  const size = state.input, count = size[0] * size[1];
  if (count < 2) return { problem: "A batch of one value is its own mean: two values are needed" };
  const average = array => total(array.flat()) / count;
  const mean = average(state.x), variance = average(filled(size, (i, j) => (state.x[i][j] - mean) ** 2));
  const invStd = 1 / Math.sqrt(variance + state.epsilon), factor_ = state.scale * invStd;
  const hat = filled(size, (i, j) => (state.x[i][j] - mean) * invStd);
  const along = filled(size, (i, j) => state.dy[i][j] * hat[i][j]);
  const meanDy = average(state.dy), meanAlong = average(along);
  const third = filled(size, (i, j) => -hat[i][j] * meanAlong);
  return {
    problem: "", count, mean, variance, invStd, factor: factor_, hat, along, meanDy, meanAlong,
    y: filled(size, (i, j) => state.scale * hat[i][j] + state.bias),
    first: state.dy, second: filled(size, () => -meanDy), third,
    dx: filled(size, (i, j) => factor_ * (state.dy[i][j] - meanDy + third[i][j])),
    dscale: total(along.flat()), dbias: total(state.dy.flat()),
  };
}

function normLines(state, result, { index }) {
  const named = symbol => nameOf(symbol, index), hat = at(result.hat, index), dy = at(state.dy, index);
  if (state.map === "y") return [
    [
      `${named("x̂")} = (${named("x")} ${MINUS} mean) inv_std`,
      `= (${shown(at(state.x, index))} ${MINUS} ${factor(result.mean)})·${shown(result.invStd)} ${equals(hat)}`,
    ], [
      `${named("y")} = scale ${named("x̂")} + bias`,
      `= ${factor(state.scale)}·${factor(hat)} + ${factor(state.bias)} ${equals(at(result.y, index))}`,
    ],
  ];
  if (state.map === "dp") {
    const all = places(state.input);
    return [
      [`dJ/dscale = ${all.map(i => `${nameOf("dJ/dy", i)} ${nameOf("x̂", i)}`).join(" + ")}`, equals(result.dscale)],
      [`dJ/dbias = ${all.map(i => nameOf("dJ/dy", i)).join(" + ")}`, equals(result.dbias)],
      [`${named("dJ/dy")} ${named("x̂")}`, `= ${factor(dy)}·${factor(hat)} ${equals(at(result.along, index))}`],
    ];
  }
  const three = `${shown(dy)} ${MINUS} ${factor(result.meanDy)} ${MINUS} ${factor(hat)}·${factor(result.meanAlong)}`;
  return [[
    `${named("dJ/dx")} = scale inv_std (${named("dJ/dy")} ${MINUS} mean(dJ/dy) ${MINUS} ${named("x̂")} mean(dJ/dy x̂))`,
    `= ${factor(state.scale)}·${shown(result.invStd)}·(${three}) ${equals(at(result.dx, index))}`,
  ]];
}

// The three terms of one entry, each times scale inv_std, for the bars.
function normTerms(result, index) {
  return [
    [nameOf("dJ/dy", index), result.factor * at(result.first, index), "the statistics held fixed"],
    [`${MINUS} mean(dJ/dy)`, result.factor * at(result.second, index), "the mean moves with every entry"],
    [`${MINUS} ${nameOf("x̂", index)} mean(dJ/dy x̂)`, result.factor * at(result.third, index), "so does the variance"],
    [nameOf("dJ/dx", index), at(result.dx, index), "their sum"],
  ];
}

// Pooling: the maximum or the mean of each window. A gradient goes back along the same paths: to the tap that won, or
// to all in equal shares.

function pooling(state) {
  const axes = windows(state), paths = pathsOf(axes), outputs = sizes(axes, "m");
  const held = new Map(places(outputs).map(output => [keyOf("y", output), []]));
  for (const path of paths) held.get(keyOf("y", path.y)).push(path);
  const result = { axes, paths, held, winners: new Map(), counts: new Map(), problem: problemOf(state, outputs, held) };
  if (result.problem) return result;
  for (const [key, window] of held) {
    result.winners.set(key, winnerOf(state, window));
    result.counts.set(key, state.countPads ? tapsCounted(state, axes, key) : window.length);
  }
  result.y = filled(outputs, (i, j) => pooledValue(state, result, keyOf("y", [i, j])));
  result.dx = filled(state.input, (i, j) => valueOf(poolGradSum(state, result, [i, j])));
  return result;
}

// The taps of a window on the input or its padding: what rounding up adds beyond that never counts.
function tapsCounted(state, axes, key) {
  const index = key.split(".").slice(1).map(n => n - 1);
  const counted = ({ s, d, k, lo, n }, axis) => {
    const room = n + state.after[axis] + lo - s * index[axis];
    return Math.min(k, Math.ceil(room / d));
  };
  return axes.map(counted).reduce((product_, count) => product_ * count, 1);
}

// What the library refuses, in words.
function problemOf(state, outputs, held) {
  if (state.ceil && Math.min(...state.after) < 0) return "With sizes rounded up, the pad after must not be negative";
  if (outputs.includes(0)) return "The window is larger than the padded input";
  const empty = places(outputs).find(output => !held.get(keyOf("y", output)).length);
  const matters = state.operation === "max_pool" || !state.countPads;
  return empty && matters ? `The window of ${nameOf("y", empty)} holds padding only` : "";
}

// The path that the gradient of a maximum takes: the first of the largest in reading order; the last NaN, if there is one.
function winnerOf(state, window) {
  let winner = null;
  for (const path of window) {
    const value = at(state.x, path.x), best = winner && at(state.x, winner.x);
    if (winner === null || Number.isNaN(value) || value > best) winner = path;
  }
  return winner;
}

function pooledValue(state, result, key) {
  const window = result.held.get(key);
  if (state.operation === "max_pool") return at(state.x, result.winners.get(key).x);
  return total(window.map(path => at(state.x, path.x))) / result.counts.get(key);
}

// dJ/dx: from each window that holds the input, dJ/dy if it won, or its share.
function poolGradSum(state, result, index) {
  const terms = [];
  for (const path of result.paths.filter(path => same(path.x, index))) {
    const key = keyOf("y", path.y), dy = at(state.dy, path.y);
    const name = nameOf("dJ/dy", path.y), count = result.counts.get(key);
    const share = { symbols: [`${name} / ${count}`], values: [dy / count], words: `${factor(dy)} / ${count}`, keys: [key] };
    if (state.operation === "avg_pool") terms.push(share);
    else if (result.winners.get(key) === path) terms.push({ symbols: [name], values: [dy], keys: [key] });
  }
  return { name: nameOf("dJ/dx", index), terms };
}

// Why this tap won, if that needs a reason.
function reason(state, window, winner) {
  const values = window.map(path => at(state.x, path.x)), best = at(state.x, winner.x);
  const equal = values.filter(value => Object.is(value, best) || value === best).length;
  const name = nameOf("x", winner.x);
  if (Number.isNaN(best) && equal > 1) return `Of ${equal} NaNs the last one, ${name}, gets the gradient.`;
  if (Number.isNaN(best)) return `NaN wins over every number: ${name} gets the gradient.`;
  if (equal === 1) return `${name} won: it gets the whole gradient.`;
  const what = best === -Infinity ? `All are ${MINUS}∞` : `A tie of ${equal}`;
  return `${what}: the first in reading order, ${name}, gets the whole gradient.`;
}

// The lines about an output or an input of a pool.
function poolLines(state, result, { kind, index }) {
  if (kind === "x") return { sum: poolGradSum(state, result, index), lines: windowLines(state, result, index) };
  const key = keyOf("y", index), window = result.held.get(key), name = nameOf("y", index);
  const names = window.map(path => nameOf("x", path.x)), values = window.map(path => shown(at(state.x, path.x)));
  const value = at(result.y, index), count = result.counts.get(key);
  if (state.operation === "max_pool") return {
    symbols: `${name} = max(${names.join(", ")})`,
    numbers: `= max(${values.join(", ")}) ${equals(value)}`,
    lines: [reason(state, window, result.winners.get(key))],
  };
  const summed = window.map(path => factor(at(state.x, path.x))).join(" + ") || "0";
  const back = `Each tap gets back ${nameOf("dJ/dy", index)} / ${count}.`;
  const outside = count - window.length;
  return {
    symbols: `${name} = (${names.join(" + ") || "0"}) / ${count}`,
    numbers: `= (${summed}) / ${count} ${equals(value)}`,
    lines: [outside ? `${back} Of the ${count} taps ${outside} stand on padding: their share is dropped.` : back],
  };
}

// The windows that hold an input, and what comes back from each.
function windowLines(state, result, index) {
  const holding = result.paths.filter(path => same(path.x, index));
  if (!holding.length) return ["No window holds it, so its gradient is 0."];
  const many = holding.length === 1 ? "One window holds it, and" : `${holding.length} windows hold it. Each`;
  if (state.operation === "avg_pool") return [`${many} sends back the share that it took.`];
  return holding.map(path => {
    const [y, dy] = ["y", "dJ/dy"].map(symbol => nameOf(symbol, path.y)), winner = result.winners.get(keyOf("y", path.y));
    return winner === path ? `${y}: it won, and gets ${dy}.` : `${y}: ${nameOf("x", winner.x)} won, so nothing comes back.`;
  });
}

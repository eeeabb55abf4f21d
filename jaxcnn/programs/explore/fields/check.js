// Results as JSON, for tests: "#check|STACK|STACK|..." in the address.

function checked(text) {
  let state;
  try { state = readStack(text); } catch (error) { return { refused: error.message }; }
  const { rows, problem } = rowsOf(state), last = rows.length - 1;
  const perUnit = (place, found) => Array.from({ length: rows[place].n }, (_, unit) => found(unit));
  const sorted = set => [...set].sort((a, b) => a - b);
  return {
    problem,
    written: writeStack({ ...state, at: [0, 0] }),
    rows: rows.map((row, place) => ({
      n: row.n, r: row.r, P: row.P, S: row.step, sizes: sizesOf(rows, place), cells: cellsBelow(rows, place).at(-1),
      centres: perUnit(place, unit => row.start + row.scale * unit),
      wide: perUnit(place, unit => interval(rows, place, unit, false)),
      clipped: perUnit(place, unit => interval(rows, place, unit, true)),
    })),
    sees: perUnit(last, unit => sorted(linked(rows, [last, unit])[0].units)),
    reaches: perUnit(0, unit => sorted(linked(rows, [0, unit])[last].units)),
  };
}

const checkAll = address => JSON.stringify(address.split("|").slice(1).map(checked));

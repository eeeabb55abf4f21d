// Where each unit stands: above the middle of its field, so that a shift shows. The input is the lowest row.

const BOX = 18, TOP = 22, BELOW = 48, SIDE = 6;
const WIDTH = { least: 4, most: 34, box: 26 };

function layoutOf(rows, available) {
  const unitPads = rows.map(() => new Set()), used = rows.map(() => new Set());
  for (let l = 1; l < rows.length; l++) for (let u = 0; u < rows[l].n; u++) for (const i of met(rows[l], u))
    (exists(rows[l - 1], i) ? used : unitPads)[l - 1].add(i);
  let low = Infinity, high = -Infinity;
  rows.forEach((row, l) => {
    for (const unit of [0, row.n - 1, ...unitPads[l]]) {
      const middle = row.start + row.scale * unit, half = Math.max(row.scale, 1) / 2;
      low = Math.min(low, middle - half);
      high = Math.max(high, middle + half);
    }
  });
  const step = Math.min(Math.max((available - 2 * SIDE) / (high - low), WIDTH.least), WIDTH.most);
  const pitch = BOX + (rows.length <= 6 ? 54 : rows.length <= 11 ? 40 : 30);
  const width = Math.max(available, step * (high - low) + 2 * SIDE), offset = (width - step * (high - low)) / 2;
  return {
    rows, pads: unitPads, used, step, width, height: TOP + pitch * (rows.length - 1) + BOX + BELOW,
    across: position => offset + step * (position - low),
    x: (l, unit) => offset + step * (rows[l].start + rows[l].scale * unit - low),
    y: l => TOP + pitch * (rows.length - 1 - l),
    box: l => Math.max(.86 * Math.min(step * rows[l].scale, Math.max(step, WIDTH.box)), 1.5),
    // The row and the unit nearest to a place.
    nearest(x, y) {
      const l = Math.min(Math.max(Math.round(rows.length - 1 - (y - TOP - BOX / 2) / pitch), 0), rows.length - 1);
      return [l, this.unitAt(l, low + (x - offset) / step)];
    },
    unitAt: (l, position) => Math.min(Math.max(Math.round((position - rows[l].start) / rows[l].scale), 0), rows[l].n - 1),
  };
}

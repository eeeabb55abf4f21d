// What the scripts of these tests share: each fills `said`, which the test reads.
const press = (target, key, more = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const pick = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("change", { bubbles: true })); };
const later = ms => new Promise(done => setTimeout(done, ms));
const said = {};

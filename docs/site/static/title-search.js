// A page comes first whose title has every word that is searched for. Sphinx gives a page the same score for one of them,
// and asks a title for the whole query only where it makes up half of it.
{
  const asked = new URLSearchParams(window.location.search).get("q") ?? "";
  const words = (asked.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []).filter((word) => !stopwords.has(word));
  Scorer.score = ([, title, , , score]) =>
    words.length && words.every((word) => title.toLowerCase().includes(word)) ? score + Scorer.title : score;
}

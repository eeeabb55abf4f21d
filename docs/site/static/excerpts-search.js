// Excerpts of the search from EXCERPTS (docs/site/excerpts.py), so that they work from disk: what Sphinx would ask a server
// for is the name of a page here, and the text of a page is looked up.
{
  const suffix = DOCUMENTATION_OPTIONS.FILE_SUFFIX, ask = window.fetch;
  window.fetch = (address, ...more) => {
    const root = document.documentElement.dataset.content_root;
    const name = String(address).startsWith(root) ? String(address).slice(root.length, -suffix.length) : "";
    return name in EXCERPTS ? Promise.resolve({ text: () => name }) : ask(address, ...more);
  };
  Search.htmlToText = (name, anchor) => {
    const sections = EXCERPTS[name];
    return sections[anchor?.slice(1)] || Object.values(sections).join(" ");
  };
}

said.width = innerWidth;
said.wide = [];
const largest = "input=8x8&kernel=5x5&dilation=3x3&before=4x4&after=4x4&stride=1x1";
const deep = "channels=3&outputs=3&images=2&b=1,2,3";
for (const operation of Object.keys(OPERATIONS)) for (const words of ["", largest, largest.replace("5x5", "1x1"), deep, `${deep}&input=8x8&before=4x4&after=4x4`])
  for (const map of Object.keys(MAPS[operation])) {
    if (words.startsWith(deep) && operation !== "conv") continue;
    show(readState(`#op=${operation}&map=${map}&${words}`));
    $("options").open = true;
    if (document.documentElement.scrollWidth > innerWidth) said.wide.push([operation, map, words, document.documentElement.scrollWidth]);
  }

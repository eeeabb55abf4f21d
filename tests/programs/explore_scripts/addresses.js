said.wrong = [];
for (const operation of Object.keys(OPERATIONS)) for (const words of Object.values(PRESETS[operation]))
  for (const map of Object.keys(MAPS[operation])) {
    const once = writeState(readState(`#op=${operation}&map=${map}&${words}`)), twice = writeState(readState(`#${once}`));
    if (once !== twice) said.wrong.push([once, twice]);
  }
said.odd = writeState(readState("#op=sum&map=&input=99x-1&kernel=axb&x=1,two,nan&at=y.9.9&%&k=%E0%A4%A"));

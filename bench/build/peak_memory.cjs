// Loaded before the program that is measured: prints its peak memory in KiB when it ends.
const { writeSync } = require('node:fs');

process.on('exit', () => writeSync(2, `peak ${process.resourceUsage().maxRSS}\n`));

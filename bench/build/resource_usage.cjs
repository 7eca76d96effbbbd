// Loaded before the program that is measured: prints its peak memory in KiB and its CPU time in µs when it ends.
const { writeSync } = require('node:fs');

process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  writeSync(2, `peak ${maxRSS} cpu ${userCPUTime + systemCPUTime}\n`);
});

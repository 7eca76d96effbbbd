/** Unpacks and changes layers until it is killed: see kill.test.ts. Arguments: directory, JSON of layers. */
import { openFixture } from './fixture.ts';
import { layersFrom } from './kill_layers.ts';

const [root = '', blobs = '', json = ''] = process.argv.slice(2);
const fixture = openFixture(root);
process.stdout.write('go\n');
const base = await fixture.snapshots.fromLayers(layersFrom(blobs, json), { description: 'base' });
for (;;) {
  const top = await fixture.layer(base, 'rm -r d1; seq 200 | while read i; do echo $i > n$i; done');
  await fixture.snapshots.remote(top, { type: 'gzip' });
}

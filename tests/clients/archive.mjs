// Zip archives as the tests need them: made without compression, and their file names read.
import { crc32 } from 'node:zlib';

export function zip(files) {
  const locals = [];
  const entries = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const path = Buffer.from(name);
    const data = Buffer.from(text);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    locals.push(Buffer.from('PK\x03\x04'), common, path, data);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    const version = Buffer.from([20, 0]);
    entries.push(Buffer.from('PK\x01\x02'), version, common, rest, path);
    offset += 30 + path.length + data.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

export function namesIn(archive) {
  const names = [];
  for (let at = archive.indexOf('PK\x01\x02', 0, 'latin1'); at >= 0;
       at = archive.indexOf('PK\x01\x02', at + 4, 'latin1')) {
    const length = archive.readUInt16LE(at + 28);
    names.push(archive.subarray(at + 46, at + 46 + length).toString());
  }
  return names;
}

// Records from tables (with spans, headers of several lines, or turned by a quarter) and from lists
// of terms. `read(element, field)` gives a field's raw value.
(() => {
  const T = globalThis.__troupe;
  if (T.has.tables) return;
  T.has.tables = 1;
  const { words } = T;
  const TABLES = 'table,[role=table],[role=grid],[role=treegrid]', ROWS = 'tr,[role=row]';

  const isHead = (c) => c.localName === 'th' || c.getAttribute('role') === 'columnheader' || c.getAttribute('role') === 'rowheader';
  const text = (c) => words(T.clip(c.innerText === undefined ? c.textContent : c.innerText, 200)).replace(/\s*[:：▲▼↑↓⇅]+$/, '');
  // Cells by place: one that spans several places stands in each of them.
  const gridOf = (table) => {
    const lines = [...table.querySelectorAll(ROWS)].filter((tr) => tr.closest(TABLES) === table);
    const grid = lines.map(() => []);
    lines.forEach((tr, y) => {
      let x = 0;
      for (const cell of tr.children) {
        if (T.skip.test(cell.localName)) continue;
        while (grid[y][x]) x++;
        const wide = Math.min(cell.colSpan || +cell.getAttribute('aria-colspan') || 1, 100);
        const high = Math.min(cell.rowSpan || +cell.getAttribute('aria-rowspan') || 1, lines.length - y);
        for (let dy = 0; dy < high; dy++) for (let dx = 0; dx < wide; dx++) grid[y + dy][x + dx] = cell;
      }
    });
    return { lines, grid };
  };
  const headLines = ({ lines, grid }) => {
    for (let y = 0; y < grid.length; y++) {
      const cells = [...new Set(grid[y])], heads = cells.filter(isHead);
      const top = heads.length > 1 || (heads.length && heads.length === cells.length && cells.length > 1) ||
        (cells.length > 1 && cells.every((c) => c.localName === 'td'));
      // One heading over all columns is the table's title.
      if (!top) continue;
      let end = y + 1;
      while (end < grid.length && grid[end].length && grid[end].every(isHead) && lines[end].closest('thead') === lines[y].closest('thead')) end++;
      return [y, end];
    }
    return null;
  };
  // What each column may be called: all its headings together, the lowest, the highest.
  const labelsOf = (grid, [begin, end]) => {
    const width = Math.max(...grid.map((line) => line.length)), out = [];
    for (let x = 0; x < width; x++) {
      const parts = [];
      for (let y = begin; y < end; y++) if (grid[y][x]) {
        const t = text(grid[y][x]);
        if (t && t !== parts[parts.length - 1]) parts.push(t);
      }
      out.push([parts.join(' '), parts[parts.length - 1] || '', parts[0] || '']);
    }
    return out;
  };
  const placesFor = (labels, fields) => {
    const places = {};
    const at = (fits) => { const hits = labels.map((l, i) => (fits(l) ? i : -1)).filter((i) => i >= 0); return hits.length ? hits[0] : -1; };
    for (const name of Object.keys(fields)) {
      const want = words(fields[name].label || name), reversed = want.split(' ').reverse().join(' ');
      let x = at((l) => l[0] === want || l[0] === reversed);
      if (x < 0) x = at((l) => l[1] === want);
      if (x < 0) x = at((l) => l[2] === want);
      if (x < 0) x = at((l) => l[1] && (l[1].split(' ').includes(want) || l[1].startsWith(want) || l[0].startsWith(want)));
      for (const other of T.names(want)) if (x < 0) x = at((l) => l[0] === other || l[1] === other);
      if (x >= 0) places[name] = x;
    }
    return places;
  };
  // {lines: [[place → cell]], rows: elements, places, n}: upright, or with the records side by side.
  const upright = (made, fields) => {
    const head = headLines(made);
    if (!head) return null;
    const places = placesFor(labelsOf(made.grid, head), fields), body = [];
    for (let y = head[1]; y < made.grid.length; y++) {
      const line = made.grid[y];
      if (made.lines[y].closest('tfoot') || (new Set(line).size < 2 && line.length > 1)) continue;
      if (line.length && line.every((c) => c && isHead(c))) continue;
      body.push([line, made.lines[y]]);
    }
    return { places, body, n: Object.keys(places).length };
  };
  const sideways = ({ grid }, fields) => {
    const width = Math.max(0, ...grid.map((line) => line.length));
    if (width < 3) return null;
    const places = placesFor(grid.map((line) => [line[0] ? text(line[0]) : '', line[0] ? text(line[0]) : '', '']), fields), body = [];
    for (let x = 1; x < width; x++) body.push([grid.map((line) => line[x]), null]);
    return { places, body, n: Object.keys(places).length };
  };
  T.tabled = (root, fields, read, nature) => {
    let best = null;
    for (const r of T.roots(root)) for (const table of r.querySelectorAll(TABLES)) {
      const made = gridOf(table);
      for (const way of [upright(made, fields), sideways(made, fields)])
        if (way && way.n && (!best || way.n > best.n)) best = way;
    }
    const names = Object.keys(fields);
    if (!best || best.n * 2 < names.length) return null;
    const rows = [], elements = [];
    for (const [line, tr] of best.body) {
      if (line.filter(Boolean).length < 2 && names.length > 1) continue;
      rows.push((record) => {
        for (const name of names) {
          const cell = line[best.places[name]];
          record(name, () => (cell ? read(cell, fields[name]) : best.places[name] === undefined && tr ? nature(tr, words(name), fields[name]) : null));
        }
      });
      elements.push(tr || line.find(Boolean));
    }
    return rows.length ? { rows, elements, score: best.n } : null;
  };

  // A list of terms in which the first term comes again with each record.
  T.termed = (root, fields, read) => {
    const names = Object.keys(fields);
    for (const r of T.roots(root)) for (const list of r.querySelectorAll('dl')) {
      const pairs = [];
      let term = '';
      for (const e of list.querySelectorAll('dt,dd')) {
        if (e.closest('dl') !== list) continue;
        if (e.localName === 'dt') term = text(e);
        else pairs.push([term, e]);
      }
      const records = [];
      for (const pair of pairs) {
        if (pair[0] === pairs[0][0]) records.push([]);
        records[records.length - 1].push(pair);
      }
      if (records.length < 2 || pairs.length === records.length) continue;
      const placeOf = (record, name) => {
        for (const w of T.names(words(fields[name].label || name))) { const hit = record.find((p) => p[0] === w); if (hit) return hit[1]; }
        return null;
      };
      if (names.filter((n) => placeOf(records[0], n)).length * 2 < names.length) continue;
      return { elements: records.map((p) => p[0][1]), score: names.filter((n) => placeOf(records[0], n)).length,
        rows: records.map((pairs) => (record) => {
          for (const name of names) { const e = placeOf(pairs, name); record(name, () => (e ? read(e, fields[name]) : null)); }
        }) };
    }
    return null;
  };
})();

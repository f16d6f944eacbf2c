// A reader of CSV for previews: delimiter by the first line, quotes, any line end. At most `limit` records are kept.
export function parseCSV(text, limit = Infinity) {
  const body = text.replace(/^\uFEFF/, '');
  const first = body.split(/\r\n?|\n/, 1)[0] ?? '';
  const count = (mark) => first.split(mark).length;
  const delimiter = [',', ';', '\t'].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
  const rows = [];
  let row = [], cell = '', quoted = false, total = 0;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0] !== '') {
      total++;
      if (rows.length < limit) rows.push(row);
    }
    row = []; cell = '';
  };
  for (let i = 0; i < body.length; i++) {
    const mark = body[i];
    if (quoted) {
      if (mark !== '"') cell += mark;
      else if (body[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    } else if (mark === '"' && cell === '') quoted = true;
    else if (mark === delimiter) { row.push(cell); cell = ''; }
    else if (mark === '\n' || mark === '\r') {
      if (mark === '\r' && body[i + 1] === '\n') i++;
      endRow();
    } else cell += mark;
  }
  if (cell !== '' || row.length > 0) endRow();
  return {rows, total};
}

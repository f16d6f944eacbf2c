// The page's own server, as functions. What a person could not do comes back as {error}; the rest throws.
async function ask(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${path.split('?')[0]}: ${response.status} ${await response.text()}`);
  return response.json();
}

const post = (path, body) => ask(path,
  {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});

export const state = (view) => ask(`/page/state?${new URLSearchParams(view)}`);
export const organisation = () => ask('/page/organisation');
export const samples = () => ask('/page/samples');
export const faults = () => ask('/page/faults');
export const setFaults = (body) => post('/page/faults', body);
export const say = (body) => post('/page/say', body);
export const command = (body) => post('/page/command', body);
export const click = (body) => post('/page/click', body);
export const submit = (body) => post('/page/submit', body);
export const close = (body) => post('/page/close', body);
export const tab = (body) => post('/page/tab', body);
export const shortcut = (body) => post('/page/shortcut', body);
export const suggest = (body) => post('/page/suggest', body);
export const kill = () => post('/page/kill', {});

// upload hands over one file and gets the id to say it with, or to fill in where it is for a person's form; the type keeps
// other sites' forms out.
export const upload = (file, person) => ask(`/page/upload?${new URLSearchParams({name: file.name, ...(person && {for: person})})}`,
  {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: file});

const texts = new Map();

// decode goes by the byte order mark, as Excel writes one: UTF-16 either way, else UTF-8.
function decode(buffer) {
  const [first, second] = new Uint8Array(buffer);
  const mark = (first << 8) | second;
  return new TextDecoder(mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8').decode(buffer);
}

// fileText reads a posted file once; posted files never change.
export function fileText(url) {
  if (!texts.has(url)) {
    const reading = fetch(url).then((response) => {
      if (!response.ok) throw new Error(`read ${url}: ${response.status}`);
      return response.arrayBuffer();
    }).then(decode);
    reading.catch(() => texts.delete(url));
    texts.set(url, reading);
  }
  return texts.get(url);
}

// oneAtATime runs work, and once more when it was called meanwhile: answers cannot overtake each other. gap gives the
// milliseconds to let pass before that.
export function oneAtATime(work, gap = () => 0) {
  let busy = false, again = false;
  return async () => {
    if (busy) { again = true; return; }
    busy = true;
    do {
      again = false;
      await work();
      if (again && gap() > 0) await new Promise((passed) => { setTimeout(passed, gap()); });
    } while (again);
    busy = false;
  };
}

// listen calls changed('workspace' | 'organisation') at each change, and at every new connection: some may have been missed.
export function listen(changed, connected) {
  const source = new EventSource('/page/events');
  source.addEventListener('workspace', () => changed('workspace'));
  source.addEventListener('organisation', () => changed('organisation'));
  source.onopen = () => { connected(true); changed('workspace'); changed('organisation'); };
  source.onerror = () => connected(false);
  return () => source.close();
}

// How a url may be shown: in answers, in describe and in the log. User, password and the values of a query (where signed URLs carry
// their keys) are hidden; a name of the model store stays as it is.

const HIDDEN = '***';

/** The url without what only its owner may know. Shown again it stays the same. */
export function shownUrl(url: string): string {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*:[\\/]{2})(.*)$/is.exec(url) ?? [];
  if (scheme === '') return url;
  const [, place = '', query = ''] = /^([^?#]*)(.*)$/s.exec(rest) ?? [];
  return scheme + withoutUser(place, URL.canParse(url)) + withoutValues(query);
}

/** Where a url cannot be read, nobody knows where its password ends: everything before the last `@` goes. */
function withoutUser(place: string, isReadable: boolean): string {
  return place.replace(isReadable ? /^[^/\\]*@/ : /^.*@/s, `${HIDDEN}@`);
}

function withoutValues(query: string): string {
  const [, parameters = '', fragment = ''] = /^([^#]*)(.*)$/s.exec(query) ?? [];
  const hidden = parameters.replace(/=[^&]*/g, `=${HIDDEN}`).replace(/^\?[^=&]+$/, `?${HIDDEN}`);
  return fragment === '' ? hidden : `${hidden}#${HIDDEN}`;
}

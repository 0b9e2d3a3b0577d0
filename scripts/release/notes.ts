/** Release notes out of CHANGELOG.md. Pure. */

/** The section of `version` without its heading; undefined when there is none, or nothing in it. */
export function releaseNotes(changelog: string, version: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => {
    const [word = ""] = text.split(/\s/);
    return word.replace(/^\[(.*)\]$/, "$1") === version;
  });
  const notes = section?.slice(section.indexOf("\n") + 1).trim();
  return notes === undefined || notes === "" ? undefined : `${notes}\n`;
}

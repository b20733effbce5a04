// What bounds the memory of a fleet report, whatever is read. docs/fleet.md says what each means for the one who reads
// the report; what was left out is counted, and said.

/** Bytes of one audit. The audit of 4,096 functions has 6 MB. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Machines in any one list of the report. */
export const LISTED_MAX = 100;
/** Machines named beside a count. */
export const SAMPLE_MAX = 5;
/** Machines by whose name a second audit of one is known. */
export const NAMES_MAX = 1 << 20;
/** Of these, machines of which it is known where their audit was and what it was made of. */
export const PLACES_MAX = 1 << 16;
/** Functions in all topologies that are kept, at 28 bytes: some 8,000 different machines of 200. */
export const TOPOLOGY_FUNCTIONS_MAX = 2_000_000;
/** Functions in all states of machines that are kept, at 4 to 12 bytes. */
export const VARIANT_FUNCTIONS_MAX = 4_000_000;
/** What a topology or a state costs beside its functions, counted as functions. */
export const GROUP_COST = 48;
/** Different states of a function, things to mend, and descriptions of machines. */
export const KINDS_MAX = 1 << 16;
/** Characters of all sets of things to mend, by number, that machines have. */
export const SET_CHARACTERS_MAX = 1 << 24;
/** Topologies with which the rare ones are compared. */
export const COMMON_MAX = 64;
/** Functions by which two topologies may differ to be nearly the same; never more than a quarter of them. */
export const NEARLY_MAX = 64;
/** Machines from which on others can be unlike them. */
export const LIKE_MIN = 4;
/** Differences said of one machine. */
export const DIFFERENCES_MAX = 8;
/** Characters of a name that comes from outside. */
export const NAME_MAX = 128;

/** The version in package.json, put in by the build; not there in tests. */
declare const SHOOTDOWN_VERSION: string | undefined;

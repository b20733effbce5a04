/** The version of this build; `dev` when run from source. */
export const VERSION: string = typeof SHOOTDOWN_VERSION === 'string' ? SHOOTDOWN_VERSION : 'dev';

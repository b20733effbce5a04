import { defineConfig } from 'vitest/config';

// biome-ignore lint/style/noDefaultExport: vitest wants one
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/bundle.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // The default leaves a processor to the one who waits; on two that is half of them.
    maxWorkers: '100%',
    env: { NO_COLOR: '1', TZ: 'UTC', LC_ALL: 'C.UTF-8' },
  },
});

// Capabilities of functions for the stub, by what is special about them.

export const PM = { kind: 'pm' } as const;
export const MSI = { kind: 'msi', enable: true } as const;
export const MSI_OFF = { kind: 'msi' } as const;
export const MSIX = { kind: 'msix', enable: true } as const;
export const MSIX_OFF = { kind: 'msix' } as const;
export const EXPRESS = { kind: 'express' } as const;
export const PORT = { kind: 'express', type: 4 } as const;
export const BUSY = { kind: 'express', transactionsPending: true } as const;
export const AF = { kind: 'af', hasPending: true } as const;
export const AF_BUSY = { kind: 'af', hasPending: true, transactionsPending: true } as const;
export const VENDOR = { kind: 'vendor' } as const;

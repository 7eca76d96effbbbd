/** Azure's chain of credentials, apart from its storage: most have a key or a signature. */
export { DefaultAzureCredential } from '@azure/identity';

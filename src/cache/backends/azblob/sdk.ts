/** What is used of Azure's SDK. The build makes a file of its own from this, that is loaded with its first use. */
export {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  StorageSharedKeyCredential,
  type RequestPolicyFactory,
} from '@azure/storage-blob';

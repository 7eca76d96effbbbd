export { didYouMean, suggest } from '../errors/suggest.ts';

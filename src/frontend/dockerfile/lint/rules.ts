/**
 * The lint rules with the texts of BuildKit v0.32.2 (package frontend/dockerfile/linter). A rule's `format` takes
 * what its message names; `Linter.run` calls it.
 */
import { goQuote } from '../../../errors/go_quote.ts';
import type { LintRule } from './contract.ts';

function ruleUrl(page: string): string {
  return `https://docs.docker.com/go/dockerfile/rule/${page}/`;
}

/** Arguments: the stage name. */
export const stageNameCasing: LintRule<[string]> = {
  name: 'StageNameCasing',
  description: 'Stage names should be lowercase',
  url: ruleUrl('stage-name-casing'),
  format: (stage) => `Stage name '${stage}' should be lowercase`,
};

/** Arguments: the words FROM and AS as written. */
export const fromAsCasing: LintRule<[string, string]> = {
  name: 'FromAsCasing',
  description: "The 'as' keyword should match the case of the 'from' keyword",
  url: ruleUrl('from-as-casing'),
  format: (from, as) => `'${as}' and '${from}' keywords' casing do not match`,
};

export const noEmptyContinuation: LintRule<[]> = {
  name: 'NoEmptyContinuation',
  description: 'Empty continuation lines will become errors in a future release',
  url: ruleUrl('no-empty-continuation'),
  format: () => 'Empty continuation line',
};

/** Arguments: the keyword as written, `lowercase` or `uppercase`. */
export const consistentInstructionCasing: LintRule<[string, string]> = {
  name: 'ConsistentInstructionCasing',
  description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
  url: ruleUrl('consistent-instruction-casing'),
  format: (keyword, casing) =>
    `Command '${keyword}' should match the case of the command majority (${casing})`,
};

/** Arguments: the stage name. */
export const duplicateStageName: LintRule<[string]> = {
  name: 'DuplicateStageName',
  description: 'Stage names should be unique',
  url: ruleUrl('duplicate-stage-name'),
  format: (stage) => `Duplicate stage name ${goQuote(stage)}, stage names should be unique`,
};

/** Arguments: the reserved name. */
export const reservedStageName: LintRule<[string]> = {
  name: 'ReservedStageName',
  description: 'Reserved words should not be used as stage names',
  url: ruleUrl('reserved-stage-name'),
  format: (stage) => `Stage name should not use the same name as reserved stage ${goQuote(stage)}`,
};

/** Arguments: the keyword. */
export const jsonArgsRecommended: LintRule<[string]> = {
  name: 'JSONArgsRecommended',
  description:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  url: ruleUrl('json-args-recommended'),
  format: (keyword) =>
    `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`,
};

export const maintainerDeprecated: LintRule<[]> = {
  name: 'MaintainerDeprecated',
  description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  url: ruleUrl('maintainer-deprecated'),
  format: () => 'Maintainer instruction is deprecated in favor of using label',
};

/** Arguments: the name, a suggestion or an empty string. */
export const undefinedArgInFrom: LintRule<[string, string]> = {
  name: 'UndefinedArgInFrom',
  description: 'FROM command must use declared ARGs',
  url: ruleUrl('undefined-arg-in-from'),
  format: (arg, suggestion) =>
    `FROM argument '${arg}' is not declared${suggestion === '' ? '' : ` (did you mean ${suggestion}?)`}`,
};

/** Arguments: the path. */
export const workdirRelativePath: LintRule<[string]> = {
  name: 'WorkdirRelativePath',
  description:
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  url: ruleUrl('workdir-relative-path'),
  format: (path) => `Relative workdir ${goQuote(path)} can have unexpected results if the base image changes`,
};

/** Arguments: the name, a suggestion or an empty string. */
export const undefinedVar: LintRule<[string, string]> = {
  name: 'UndefinedVar',
  description: 'Variables should be defined before their use',
  url: ruleUrl('undefined-var'),
  format: (name, suggestion) =>
    `Usage of undefined variable '$${name}'${suggestion === '' ? '' : ` (did you mean $${suggestion}?)`}`,
};

/** Arguments: the keyword. */
export const multipleInstructionsDisallowed: LintRule<[string]> = {
  name: 'MultipleInstructionsDisallowed',
  description: 'Multiple instructions of the same type should not be used in the same stage',
  url: ruleUrl('multiple-instructions-disallowed'),
  format: (keyword) =>
    `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`,
};

/** Arguments: the keyword. */
export const legacyKeyValueFormat: LintRule<[string]> = {
  name: 'LegacyKeyValueFormat',
  description: 'Legacy key/value format with whitespace separator should not be used',
  url: ruleUrl('legacy-key-value-format'),
  format: (keyword) =>
    `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
};

/** Arguments: the image, the expected and the actual platform. */
export const invalidBaseImagePlatform: LintRule<[string, string, string]> = {
  name: 'InvalidBaseImagePlatform',
  description: 'Base image platform does not match expected target platform',
  url: '',
  format: (image, expected, actual) =>
    `Base image ${image} was pulled with platform ${goQuote(actual)}, expected ${goQuote(expected)} for current build`,
};

/** Arguments: the variable reference as written. */
export const redundantTargetPlatform: LintRule<[string]> = {
  name: 'RedundantTargetPlatform',
  description:
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  url: ruleUrl('redundant-target-platform'),
  format: (reference) =>
    `Setting platform to predefined ${reference} in FROM is redundant as this is the default behavior`,
};

/** Arguments: the keyword, the name. */
export const secretsUsedInArgOrEnv: LintRule<[string, string]> = {
  name: 'SecretsUsedInArgOrEnv',
  description: 'Sensitive data should not be used in the ARG or ENV commands',
  url: ruleUrl('secrets-used-in-arg-or-env'),
  format: (keyword, name) =>
    `Do not use ARG or ENV instructions for sensitive data (${keyword} ${goQuote(name)})`,
};

/** Arguments: the base name as written. */
export const invalidDefaultArgInFrom: LintRule<[string]> = {
  name: 'InvalidDefaultArgInFrom',
  description: 'Default value for global ARG results in an empty or invalid base image name',
  url: ruleUrl('invalid-default-arg-in-from'),
  format: (base) => `Default value for ARG ${base} results in empty or invalid base image name`,
};

/** Arguments: the platform. */
export const fromPlatformFlagConstDisallowed: LintRule<[string]> = {
  name: 'FromPlatformFlagConstDisallowed',
  description: 'FROM --platform flag should not use a constant value',
  url: ruleUrl('from-platform-flag-const-disallowed'),
  format: (platform) => `FROM --platform flag should not use constant value ${goQuote(platform)}`,
};

/** Arguments: the verb (`Copy` or `Add`), the file. */
export const copyIgnoredFile: LintRule<[string, string]> = {
  name: 'CopyIgnoredFile',
  description: 'Attempting to Copy file that is excluded by .dockerignore',
  url: ruleUrl('copy-ignored-file'),
  format: (verb, file) => `Attempting to ${verb} file ${goQuote(file)} that is excluded by .dockerignore`,
};

/** Arguments: the keyword, the name that was defined. */
export const invalidDefinitionDescription: LintRule<[string, string]> = {
  name: 'InvalidDefinitionDescription',
  description:
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  url: ruleUrl('invalid-definition-description'),
  experimental: true,
  format: (keyword, name) => `Comment for ${keyword} should follow the format: \`# ${name} <description>\``,
};

/** Arguments: the port as written. */
export const exposeProtoCasing: LintRule<[string]> = {
  name: 'ExposeProtoCasing',
  description: 'Protocol in EXPOSE instruction should be lowercase',
  url: ruleUrl('expose-proto-casing'),
  format: (port) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
};

/** Arguments: the port as written. */
export const exposeInvalidFormat: LintRule<[string]> = {
  name: 'ExposeInvalidFormat',
  description:
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  url: ruleUrl('expose-invalid-format'),
  format: (port) =>
    `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
};

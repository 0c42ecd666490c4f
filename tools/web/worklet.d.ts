// The names of an audio worklet's own global scope, which TypeScript's DOM library lacks.

declare const sampleRate: number;
declare const currentFrame: number;
declare const currentTime: number;

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

interface AudioWorkletProcessorConstructor {
  new (): AudioWorkletProcessor & { process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean };
}

declare function registerProcessor(name: string, processor: AudioWorkletProcessorConstructor): void;

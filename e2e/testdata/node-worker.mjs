// A worker as they run in the field: on plain Node, written from the
// description of what such workers do on the wire, habits and mistakes
// included, and sharing nothing with this repository. What it must not do is be
// better than they are: it registers once, reports once, never reads an answer
// it does not have to, and knows nothing of attempts, leases or cancelling.
//
//   ENGINE=http://127.0.0.1:3000 SERVICE=id SECRET=key PORT=8080 TEMP=dir node node-worker.mjs
//
// On standard output it tells, one JSON object per line, what came in and went
// out; that is for the test that runs it.

import { createDecipheriv, createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { ENGINE, SERVICE, SECRET, PORT, TEMP } = process.env;
const tell = (event, members) => console.log(JSON.stringify({ event, ...members }));

// --- the tasks ---------------------------------------------------------------

class TaskError extends Error {
	constructor(message, { code, retryable = true, details } = {}) {
		super(message);
		this.name = 'TaskError';
		Object.assign(this, { code, retryable, details }); // only the code is ever sent
	}
}

const tasks = new Map();
const register = (id, options, handler) =>
	tasks.set(id, {
		id,
		handler,
		allowedNext: [],
		timeout: 300,
		retries: 3,
		retryBackoff: 'exponential',
		retryDelayMs: 1000,
		maxRetryDelayMs: 86400000,
		heartbeatIntervalMs: 60000,
		concurrency: 0,
		priority: 100,
		idempotencyTTL: 86400,
		...options,
	});
const quick = { retryDelayMs: 50, retryBackoff: 'fixed', retries: 20 };

// A join behind three branches, of which one may be left out.
register('start', { allowedNext: ['left', 'right', 'extra'] }, async (ctx) => {
	ctx.log.info('started', { of: ctx.input.name });
	return { output: { greeting: `hello ${ctx.input.name}` }, runNext: ['left', 'right'] };
});
register('left', { allowedNext: ['join'] }, async (ctx) => {
	await ctx.addAsset('table', 'json', [[1, 2], [3, 4]]);
	return { output: ctx.upstream.start.greeting.toUpperCase() };
});
register('right', { allowedNext: ['join'] }, async (ctx) => {
	await ctx.addAsset('picture', 'binary', Buffer.from([0, 255, 13, 10]));
	await ctx.addAsset('note', 'text', 'grüße\n');
	return [ctx.input.name.length]; // a bare value is the output
});
register('extra', { allowedNext: ['join'] }, async () => 'never asked for');
register('join', {}, async (ctx) => ({
	output: {
		upstream: ctx.upstream,
		input: ctx.input,
		table: await ctx.getAsset('table'),
		picture: [...(await ctx.getAsset('picture'))],
		note: await ctx.getAsset('note'),
		missing: await ctx.getAsset('gone').catch(String),
	},
}));

register('choosy', { allowedNext: ['unwanted'] }, async () => ({ output: 1, runNext: [] }));
register('unwanted', {}, async () => 1);

register('alone', {}, async (ctx) => {
	await ctx.progress(50, 'half');
	return { runId: ctx.runId, attempt: ctx.attempt, codeVersion: ctx.codeVersion, codeHash: ctx.codeHash, input: ctx.input };
});
register('flaky', quick, async (ctx) => {
	if (ctx.attempt < 3) throw ctx.attempt === 1 ? new Error('boom') : new TaskError('again', { code: 'BUSY', retryable: false });
	return { runId: ctx.runId, previousAttempts: ctx.previousAttempts };
});
register('slow', { ...quick, heartbeatIntervalMs: 1500 }, async (ctx) => {
	await pause(5000);
	return ctx.attempt;
});
register('dies', { ...quick, heartbeatIntervalMs: 500 }, async (ctx) => {
	if (ctx.attempt === 1) await new Promise(() => {});
	return ctx.attempt;
});
register('lost', quick, async (ctx) => ctx.attempt);
register('unheard', quick, async (ctx) => ctx.attempt);
register('nothing', { retries: 0 }, async () => undefined);
register('astray', quick, async () => ({ output: 1, runNext: ['nowhere'] }));
register("odd:id,(1)@x=y!*'", {}, async () => 'found');

// --- storage, for as long as one task runs -----------------------------------

function decrypt(token) {
	const parts = token.split(':');
	if (parts.length !== 3 || parts.some((part) => part === '')) throw new Error('Invalid storage token format');
	const [iv, tag, sealed] = parts.map((part) => Buffer.from(part, 'base64'));
	const secret = Buffer.from(SECRET, 'utf8');
	const key = Buffer.alloc(32);
	for (let i = 0; i < key.length && secret.length > 0; i++) key[i] = secret[i % secret.length];
	const opened = createDecipheriv('aes-256-gcm', key, iv);
	opened.setAuthTag(tag);
	return JSON.parse(Buffer.concat([opened.update(sealed), opened.final()]).toString('utf8'));
}

// The bucket is no part of the path.
class LocalStorage {
	constructor({ credentials }) {
		if (!isAbsolute(credentials.basePath)) throw new Error(`not absolute: ${credentials.basePath}`);
		this.basePath = credentials.basePath;
	}
	#file(path) {
		return join(this.basePath, path.replace(/^\//, ''));
	}
	async download(path) {
		return readFile(this.#file(path)).catch((error) => {
			throw error.code === 'ENOENT' ? new Error(`File not found: ${path}`) : error;
		});
	}
	async upload(path, bytes) {
		await mkdir(dirname(this.#file(path)), { recursive: true });
		await writeFile(this.#file(path), bytes);
	}
}

function storageOf(config) {
	if (config.provider !== 'local') throw new Error(`Unsupported provider: ${config.provider}`);
	return new LocalStorage(config);
}

const serialise = {
	json: (value) => Buffer.from(JSON.stringify(value, null, 2)),
	text: (value) => Buffer.from(value, 'utf8'),
	binary: (value) => Buffer.from(value),
};
const parse = {
	json: (bytes) => JSON.parse(bytes.toString('utf8')),
	text: (bytes) => bytes.toString('utf8'),
	binary: (bytes) => bytes,
};

// --- one execution -----------------------------------------------------------

const post = (path, body) =>
	fetch(ENGINE + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

async function report(runId, body) {
	try {
		const answer = await post(`/api/callback/${runId}`, body);
		tell('callback', { runId, body, status: answer.status, answer: await answer.text() });
	} catch (error) {
		tell('callback', { runId, body, error: String(error) });
		throw error;
	}
}

async function execute(task, dispatch) {
	const { runId } = dispatch;
	let config;
	try {
		config = decrypt(dispatch.storageToken);
	} catch {
		await report(runId, { status: 'failed', error: 'Failed to decrypt storage token', errorCode: 'INVALID_TOKEN' });
		return;
	}
	// Outside the try below: a provider it does not know ends the task unheard.
	const storage = storageOf(config);
	const folder = join(TEMP, runId);
	const beat = setInterval(() => {
		post('/api/heartbeat', { runId }).then(
			(answer) => tell('heartbeat', { runId, status: answer.status }),
			() => {},
		);
	}, task.heartbeatIntervalMs);
	try {
		const ctx = await hydrate(dispatch, storage, folder);
		const result = await task.handler(ctx);
		const isResult = typeof result === 'object' && result !== null && 'output' in result;
		const output = isResult ? result.output : result;
		const runNext = isResult ? result.runNext : undefined;
		const strangers = (runNext ?? []).filter((next) => !task.allowedNext.includes(next));
		if (strangers.length > 0) throw new TaskError(`Invalid next tasks: ${strangers.join(', ')}`, { code: 'INVALID_NEXT_TASKS' });
		const done = await dehydrate(ctx, storage, output);
		await rm(folder, { recursive: true, force: true });
		await report(runId, { ...done, ...(runNext === undefined ? {} : { selectedNext: runNext }) });
	} catch (error) {
		await rm(folder, { recursive: true, force: true });
		const failed = error instanceof TaskError ? { error: error.message, errorCode: error.code } : { error: String(error) };
		await report(runId, { status: 'failed', ...failed });
	} finally {
		clearInterval(beat);
	}
}

async function hydrate(dispatch, storage, folder) {
	const { runId } = dispatch;
	const read = async (path) => parse.json(await storage.download(path));
	const input = await read(dispatch.inputPath);
	const upstream = {};
	const known = new Map(); // assets of tasks before this one; of equal keys the later counts
	for (const [taskId, ref] of Object.entries(dispatch.upstreamRefs)) {
		upstream[taskId] = await read(ref.outputPath);
		for (const [key, asset] of Object.entries(ref.assets ?? {})) known.set(key, asset);
	}
	await mkdir(join(folder, 'assets'), { recursive: true });
	const logs = [];
	const say = (level) => (message, metadata) =>
		logs.push({ timestamp: new Date().toISOString(), level, runId, message, ...metadata });
	const own = new Map();
	return {
		...{ runId, pipelineRunId: dispatch.pipelineRunId, attempt: dispatch.attempt },
		...{ codeVersion: dispatch.codeVersion, codeHash: dispatch.codeHash, previousAttempts: dispatch.previousAttempts ?? [] },
		...{ input, upstream, logs, own },
		log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
		async addAsset(key, type, data) {
			const path = join(folder, 'assets', key);
			await writeFile(path, serialise[type](data));
			own.set(key, { type, path });
			return path;
		},
		async getAsset(key) {
			if (own.has(key)) return parse[own.get(key).type](await readFile(own.get(key).path));
			if (!known.has(key)) throw new Error(`Asset '${key}' not found`);
			return parse[known.get(key).type](await storage.download(known.get(key).path));
		},
		progress: (progress, message) =>
			post('/api/progress', { runId, progress, message }).catch((error) => say('warn')(`progress: ${error}`)),
	};
}

async function dehydrate({ runId, logs, own }, storage, output) {
	const text = JSON.stringify(output, null, 2);
	const outputPath = `runs/${runId}/output.json`;
	await storage.upload(outputPath, Buffer.from(text)); // a TypeError when there is no output
	const assets = {};
	for (const [key, { type, path }] of own) {
		const bytes = await readFile(path);
		assets[key] = { path: `runs/${runId}/assets/${key}`, size: bytes.length, type };
		await storage.upload(assets[key].path, bytes);
	}
	const logsPath = `runs/${runId}/logs.jsonl`;
	await storage.upload(logsPath, Buffer.from(logs.map((entry) => JSON.stringify(entry)).join('\n')));
	return { status: 'success', outputPath, outputSize: text.length, assets, logsPath }; // of UTF-16 units
}

// --- the server --------------------------------------------------------------

const server = createServer(async (request, response) => {
	const answer = (status, body, sent) => {
		response.writeHead(status, { 'Content-Type': 'application/json' });
		response.end(JSON.stringify(body), sent);
	};
	if (request.method === 'GET' && request.url === '/health') return answer(200, { status: 'healthy', service: SERVICE });
	if (request.method !== 'POST' || !request.url.startsWith('/tasks/')) return answer(404, { error: 'Not found' });
	const id = request.url.slice('/tasks/'.length); // as it was sent, not decoded
	if (id === '') return answer(400, { error: 'Task ID required' });
	const chunks = [];
	for await (const chunk of request) chunks.push(chunk);
	const task = tasks.get(id);
	if (task === undefined) return answer(404, { error: `Task '${id}' not found` });
	let dispatch;
	try {
		dispatch = JSON.parse(Buffer.concat(chunks).toString('utf8'));
	} catch {
		return undefined; // no answer, ever
	}
	answer(202, { acknowledged: true, runId: dispatch.runId }, () =>
		tell('dispatch', { url: request.url, headers: request.headers, body: dispatch }),
	);
	execute(task, dispatch).catch((error) => tell('unhandled', { runId: dispatch.runId, error: String(error) }));
});

server.listen(Number(PORT), '127.0.0.1', async () => {
	const registration = {
		serviceId: SERVICE,
		version: '0.1.0',
		baseUrl: `http://localhost:${server.address().port}`,
		tasks: [...tasks.values()].map(({ handler, ...options }) => ({
			...options,
			codeHash: createHash('sha256').update(handler.toString()).digest('hex').slice(0, 16),
		})),
	};
	const answer = await post('/api/register', registration); // once; a refusal ends the program
	if (!answer.ok) throw new Error(`registration failed: ${answer.status} ${await answer.text()}`);
	const { codeChanges, orphanedTasks } = await answer.json();
	tell('registered', { codeChanges: codeChanges.map(({ taskId }) => taskId), orphanedTasks });
});

"""A stand-in for the Hugging Face hub on this machine: what huggingface_hub asks of it, over HTTP, with one user."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

TOKEN = 'hf_of_the_user'
USER = 'user'
LARGE = '.h5', '.png', '.wav'  # What goes by Git LFS.


class Repository:
    """The commits of a model: each is the files by their names, and all of them are known by a hash."""

    def __init__(self, private=False, gated=False):
        self.private, self.gated = private, gated
        self.heads, self.revisions = {}, {}  # The commits of branches and of themselves, and their files.

    def commit(self, files, branch='main'):
        commit = hashlib.sha1(repr((branch, sorted(self.heads), sorted(files.items()))).encode()).hexdigest()
        self.heads[branch] = self.heads[commit] = commit
        self.revisions[branch] = self.revisions[commit] = files
        return commit


class Hub(http.server.ThreadingHTTPServer):
    """The hub. `requests` are the methods and paths that it was asked for, `summaries` the messages of commits."""

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.repositories, self.objects, self.requests, self.summaries = {}, {}, [], []
        self.url = f'http://127.0.0.1:{self.server_address[1]}'
        self.storage = f'http://localhost:{self.server_address[1]}'  # Large files come from another host.
        self.failing = None  # A status with which everything is answered.

    def asked(self, method):
        return [path for name, path in self.requests if name == method]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status=200, content=b'', error=None, **headers):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, **({'X-Error-Code': error, 'X-Error-Message': error} if error else {}),
                            'Content-Length': str(len(content))}.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.requests.append((self.command, path))
        if self.server.failing:
            return self.answer(self.server.failing, {'error': 'down for a while'})
        for pattern, method in self.ROUTES.items():
            match = re.fullmatch(pattern, f'{self.command} {path}')
            if match:
                return method(self, body, *match.groups())
        return self.answer(404)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    @property
    def is_user(self):
        return self.headers.get('Authorization') == f'Bearer {TOKEN}'

    def found(self, name):
        """A repository that one may see; else None, after the answer that the hub gives."""
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not self.is_user):
            self.answer(404 if self.is_user else 401, error='RepoNotFound')
            return None
        return repository

    def info(self, body, name, revision='main'):
        repository = self.found(name)
        if repository and revision not in repository.revisions and repository.heads:
            self.answer(404, error='RevisionNotFound')
        elif repository:
            self.answer(content={'id': name, 'private': repository.private, 'tags': [], 'siblings': [],
                                 'sha': repository.heads[revision] if repository.heads else '0' * 40})

    def resolve(self, body, name, revision, file):
        repository = self.found(name)
        if not repository:
            return
        if repository.gated:
            self.answer(403, error='GatedRepo')
        elif revision not in repository.revisions:
            self.answer(404, error='RevisionNotFound')
        elif file not in repository.revisions[revision]:
            self.answer(404, error='EntryNotFound', X_Repo_Commit=repository.heads[revision])
        else:
            content, commit = repository.revisions[revision][file], repository.heads[revision]
            if file.endswith(LARGE):
                oid = hashlib.sha256(content).hexdigest()
                self.server.objects[oid] = content
                self.answer(302, Location=f'{self.server.storage}/objects/{oid}', X_Repo_Commit=commit,
                            X_Linked_ETag=f'"{oid}"', X_Linked_Size=str(len(content)))
            else:
                self.answer(content=content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=commit)

    def object(self, body, oid):
        assert 'Authorization' not in self.headers
        self.answer(content=self.server.objects[oid], ETag=f'"{oid}"')

    def create(self, body):
        asked = json.loads(body)
        name = f'{asked["organization"]}/{asked["name"]}'
        if not self.is_user or asked['organization'] != USER:
            return self.answer(403 if self.is_user else 401, {'error': 'You have no rights in this namespace'})
        known = name in self.server.repositories
        if not known:
            self.server.repositories[name] = Repository(private=asked.get('visibility') == 'private')
        return self.answer(409 if known else 200, {'url': f'{self.server.url}/{name}'})

    def validate(self, body):
        self.answer(content={'errors': [], 'warnings': []})

    def preupload(self, body, name, revision):
        self.answer(content={'files': [
            {'path': file['path'], 'uploadMode': 'lfs' if file['path'].endswith(LARGE) else 'regular',
             'shouldIgnore': False} for file in json.loads(body)['files']]})

    def batch(self, body, name):
        self.answer(content={'transfer': 'basic', 'objects': [
            {**item, 'actions': {'upload': {'href': f'{self.server.url}/objects/{item["oid"]}', 'header': {}}}}
            for item in json.loads(body)['objects']]})

    def put(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.objects[oid] = body
        self.answer()

    def commit(self, body, name, revision):
        repository = self.found(name)
        files = dict(repository.revisions.get(revision, {}))
        for line in map(json.loads, body.splitlines()):
            value = line['value']
            if line['key'] == 'header':
                self.server.summaries.append(value['summary'])
            elif line['key'] == 'file':
                files[value['path']] = base64.b64decode(value['content'])
            elif line['key'] == 'lfsFile':
                files[value['path']] = self.server.objects[value['oid']]
        commit = repository.commit(files, revision)
        self.answer(content={'commitUrl': f'{self.server.url}/{name}/commit/{commit}', 'commitOid': commit})

    ROUTES = {
        r'GET /api/models/([^/]+/[^/]+)': info,
        r'GET /api/models/([^/]+/[^/]+)/revision/(.+)': info,
        r'(?:GET|HEAD) /([^/]+/[^/]+)/resolve/([^/]+)/(.+)': resolve,
        r'GET /objects/(\w+)': object,
        r'POST /api/repos/create': create,
        r'POST /api/validate-yaml': validate,
        r'POST /api/models/([^/]+/[^/]+)/preupload/(.+)': preupload,
        r'POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch': batch,
        r'PUT /objects/(\w+)': put,
        r'POST /api/models/([^/]+/[^/]+)/commit/(.+)': commit,
    }


@contextlib.contextmanager
def running():
    """A hub that answers as long as the block lasts."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()

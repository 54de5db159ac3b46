import CanonicalJSON
import DaybookClient
import Foundation
import NIOConcurrencyHelpers
import TestBasics
import Testing

extension Acceptance {
  /// The clients of OpenLineage, with the settings that the page Producers gives for them.
  @Suite struct ProducerTests {
    private static let hasClient = Validators.have("openlineage.client", in: Validators.producers)
    private static let hasTokens = Validators.have("openlineage.client", "jwt", in: Validators.producers)
    private static let hasDBT = Validators.have("openlineage.common", "dbt.adapters.duckdb", in: Validators.producers)
    private static let hasAirflow = Validators.have(
      "airflow", "airflow.providers.openlineage", in: Validators.producers)

    /// Which of the page's settings for Python.
    enum PythonSettings: Int, CaseIterable, Sendable {
      case plain, compressed, atOnce, token
    }

    @Test(
      .enabled(if: hasClient, "PyPI's openlineage-python is not installed for DAYBOOK_PRODUCERS or DAYBOOK_VALIDATORS"),
      .timeLimit(.minutes(4)), arguments: [PythonSettings.plain, .compressed, .atOnce])
    func `the client for Python sends as the page says`(_ settings: PythonSettings) async throws {
      try await withServer(Producer.http) { server in
        let producer = try await Producer(of: server)
        let result = try await producer.run(
          "Python", settings.rawValue, [Validators.producers, "-c", Producer.emit, "20", "0"])
        try await producer.check(runs: result.lines, events: 2)
      }
    }

    @Test(
      .enabled(
        if: hasTokens, "PyPI's openlineage-python and PyJWT are not installed for DAYBOOK_PRODUCERS"),
      .timeLimit(.minutes(4)))
    func `the client for Python sends with tokens of an identity provider`() async throws {
      let folder = try TemporaryFolder()
      let (secret, keys) = (folder.path + "/secret.pem", folder.path + "/keys.jwks")
      let made = try await runProgram([Validators.producers, "-c", Producer.makeKeys, secret, keys], in: folder)
      try #require(made.status == .code(0), "\(made.errors)")
      let options = ["--oidc-jwks", keys, "--oidc-issuer", Producer.issuer, "--oidc-audience", "daybook"]
      try await withServer(Producer.http + options) { server in
        let producer = try await Producer(of: server)
        let client = try await server.client()
        _ = try await client.call(
          "user.create",
          [
            "email": "producer@example.org", "username": "producer", "role": "developer", "keycloak_id": "producer",
            "organization_id": .string(producer.organization), "membership_role": "member",
          ])
        try await client.close()
        let result = try await producer.run(
          "Python", PythonSettings.token.rawValue,
          [Validators.producers, "-c", Producer.withTokenEndpoint, secret, Producer.issuer, Producer.emit, "5", "0"])
        try await producer.check(runs: result.lines, events: 2)
      }
      try await folder.destroy()
    }

    @Test(
      .enabled(if: hasClient, "PyPI's openlineage-python is not installed for DAYBOOK_PRODUCERS or DAYBOOK_VALIDATORS"),
      .timeLimit(.minutes(6)), arguments: [PythonSettings.plain, .atOnce])
    func `the client for Python loses nothing when the server is killed under it`(_ settings: PythonSettings)
      async throws
    {
      try await withKills(after: [20, 60]) { producer in
        try await producer.run(
          "Python", settings.rawValue, [Validators.producers, "-c", Producer.emit, "100", "0.02"]
        ).lines
      } check: { producer, runs in
        #expect(runs.count == 100)
        try await producer.check(runs: runs, events: 2)
      }
    }

    @Test(
      .enabled(if: hasDBT, "PyPI's openlineage-dbt and dbt-duckdb are not installed for DAYBOOK_PRODUCERS"),
      .timeLimit(.minutes(6)))
    func `dbt sends its models and what they are made of`() async throws {
      try await withServer(Producer.http) { server in
        let producer = try await Producer(of: server)
        try producer.writeDBTProject()
        try await producer.run("dbt", 0, ["dbt-ol", "run"], path: "dbt")
        let runs = try await producer.runs()
        let expected = ["dbt-run-shop"] + Producer.models.map { "shop.main.shop.\($0)" }
        #expect(runs.map(\.job) == expected.sorted())
        #expect(runs.allSatisfy { $0.status == "success" && $0.events == 2 }, "\(runs)")
        #expect(
          try await server.psql(
            "SELECT count(*) FROM daybook.datasets WHERE name LIKE 'shop%.main.m%'") == "\(Producer.models.count)")
      }
    }

    @Test(
      .enabled(if: hasDBT, "PyPI's openlineage-dbt and dbt-duckdb are not installed for DAYBOOK_PRODUCERS"),
      .timeLimit(.minutes(10)))
    func `dbt loses nothing when the server is killed under it`() async throws {
      try await withKills(after: [8]) { producer in
        try producer.writeDBTProject()
        try await producer.run("dbt", 0, ["dbt-ol", "run", "--consume-structured-logs"], path: "dbt")
      } check: { producer, _ in
        let runs = try await producer.runs()
        #expect(Set(runs.map(\.job)).isSuperset(of: ["dbt-run-shop"] + Producer.models.map { "model.shop.\($0)" }))
        #expect(runs.allSatisfy { $0.status == "success" && $0.events == 2 }, "\(runs)")
      }
    }

    @Test(
      .enabled(
        if: hasAirflow,
        "PyPI's apache-airflow and apache-airflow-providers-openlineage are not installed for DAYBOOK_PRODUCERS"),
      .timeLimit(.minutes(10)))
    func `Airflow loses nothing when the server is killed under it`() async throws {
      try await withKills(after: [3]) { producer in
        try producer.writeDAG()
        let python = [Validators.producers, "-m", "airflow"]
        try await producer.run("Airflow", 0, python + ["db", "migrate"], path: "airflow")
        try await producer.run("Airflow", 0, python + ["dags", "test", "shop", "2026-11-30"], path: "airflow")
      } check: { producer, _ in
        let runs = try await producer.runs()
        #expect(runs.map(\.job) == ["shop"] + (0..<4).map { "shop.step_\($0)" })
        #expect(runs.allSatisfy { $0.status == "success" }, "\(runs)")
        // `dags test` tells of the DAG's run that it has ended, and nothing else.
        #expect(runs.map(\.events) == [1, 2, 2, 2, 2])
        let children = try await producer.server.psql(
          "SELECT count(*) FROM daybook.runs c JOIN daybook.runs p ON p.id = c.parent_run_id WHERE p.id = "
            + "(SELECT r.id FROM daybook.runs r JOIN daybook.pipelines j ON j.id = r.pipeline_id WHERE j.name = 'shop')"
        )
        #expect(children == "4")
      }
    }

    /// Runs a producer while the server is killed, each time after so many more records, and started again; then looks
    /// at what is there. Where a start took longer than the producer tries for, as it can on a busy machine, what is
    /// there says nothing, and all is done once more with a new server.
    private func withKills<R: Sendable>(
      after counts: [Int], run: (Producer) async throws -> R, check: (Producer, R) async throws -> Void
    ) async throws {
      for _ in 1...3 {
        let isSaid = try await withServer(Producer.http) { server in
          let producer = try await Producer(of: server)
          let start = try await producer.head()
          let isOver = NIOLockedValueBox(false)
          let kills = Task { () -> Duration in
            var longest = Duration.zero
            for count in counts {
              _ = try await eventually("\(count) records were made", within: .seconds(240)) { () -> Bool? in
                if try await producer.head() >= start + count { return true }
                if isOver.withLockedValue({ $0 }) { throw HarnessError("it ended before it sent \(count) events") }
                return nil
              }
              let began = ContinuousClock.now
              try await server.kill()
              try await server.start(["--http", producer.address])
              longest = max(longest, ContinuousClock.now - began)
            }
            return longest
          }
          let outcome: Result<R, any Error>
          do {
            outcome = .success(try await run(producer))
          } catch {
            outcome = .failure(error)
          }
          isOver.withLockedValue { $0 = true }
          let longest = await kills.result
          if case .success(let longest) = longest, longest >= .seconds(7) { return false }
          let value = try outcome.get()
          _ = try longest.get()
          try await check(producer, value)
          return true
        }
        if isSaid { return }
      }
      throw HarnessError("the server never started within 7 seconds: this machine is too busy for this test")
    }
  }
}

/// A client of OpenLineage that sends to a server, with the settings of the page Producers.
private struct Producer: Sendable {
  static let http = ["--http", "127.0.0.1:0"]
  static let issuer = "https://id.example.org/realms/etl"
  /// The tables of a project of dbt's, each made of the one before it.
  static let models = (1...5).map { "m\($0)" }

  let server: DaybookProcess
  let organization: String
  /// Where the server has HTTP, as `HOST:PORT`.
  let address: String
  private let key: String

  /// A run as the read models have it.
  struct Run: Sendable {
    let job: String
    let status: String
    /// How many events were reported of it.
    let events: Int
  }

  init(of server: DaybookProcess) async throws {
    self.server = server
    let line = await server.readyLine
    let word = line.split(whereSeparator: { " \",[]".contains($0) }).first { $0.hasPrefix("http://") }
    address = String(try #require(word, "no address for HTTP: \(line)").dropFirst("http://".count))
    let client = try await server.client()
    organization = try await client.organization("producers")
    let made = try await client.call(
      "api_key.create",
      [
        "name": "producer", "organization_id": .string(organization), "permissions": ["openlineage": ["write"]],
      ])
    key = try #require(made["api_key"]?.stringValue)
    try await client.close()
  }

  /// The last position of the log.
  func head() async throws -> Int {
    let client = try await server.client()
    let head = try await client.head()
    try await client.close()
    return Int(head)
  }

  /// Runs a program with the page's settings, the so-manieth of a section, in a folder beside the server's.
  /// - Throws: Where it ends with another code than 0.
  @discardableResult
  func run(_ section: String, _ number: Int, _ command: [String], path: String = "") async throws -> ProgramResult {
    let folder = server.folder.path + (path.isEmpty ? "" : "/" + path)
    let settings = try Self.settings(section, number)
      .replacing("http://127.0.0.1:7718", with: "http://\(address)").replacing("dbk_…", with: key)
    // What a Python has installed beside itself is found first.
    let script = """
      PATH="$("$0" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH"
      \(settings)
      exec "$@"
      """
    let result = try await runProgram(
      ["sh", "-c", script, Validators.producers] + command, in: server.folder, directory: folder,
      environment: [
        "AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "DBT_PROFILES_DIR": folder,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
      ], within: .seconds(300))
    guard result.status == .code(0) else {
      throw HarnessError("\(result.status): \(result.output.suffix(2000))\n\(result.errors.suffix(3000))")
    }
    return result
  }

  /// The so-manieth block of a section of the page.
  private static func settings(_ section: String, _ number: Int) throws -> String {
    let page = TestFiles.text(Repository.root + "/Sources/daybook/Daybook.docc/Producers.md")
    let start = try #require(page.range(of: "\n## \(section)\n"), "there is no section \(section)")
    let rest = page[start.upperBound...]
    let text = rest[..<(rest.range(of: "\n## ")?.lowerBound ?? rest.endIndex)]
    let blocks = text.components(separatedBy: "```sh\n").dropFirst()
      .compactMap { $0.components(separatedBy: "\n```").first }
    return try #require(blocks.count > number ? blocks[number] : nil, "\(section) has \(blocks.count) blocks")
  }

  /// Every one of these runs has succeeded, and so many events were reported of it.
  func check(runs: [String], events: Int) async throws {
    #expect(!runs.isEmpty && Set(runs).count == runs.count)
    let client = try await server.client()
    var counts: [String: Int] = [:]
    for record in try await client.records() where record["header"]?["event"] == "run.reported" {
      counts[record["header"]?["resource"]?.stringValue ?? "", default: 0] += 1
    }
    for run in runs {
      let status = try await client.call("run.get", ["id": .string(run)])["item"]?["status"]
      #expect(status == "success" && counts[run] == events, "\(run): \(status as Any), \(counts[run] ?? 0) events")
    }
    try await client.close()
  }

  /// All runs, in the order of their jobs' names.
  func runs() async throws -> [Run] {
    let client = try await server.client()
    try await client.caughtUp()
    try await client.close()
    let rows = try await server.psql(
      "SELECT p.name, r.status, (SELECT count(*) FROM daybook.audit_trail a WHERE a.resource_id = r.id "
        + "AND a.event = 'run.reported') FROM daybook.runs r JOIN daybook.pipelines p ON p.id = r.pipeline_id "
        + "ORDER BY p.name COLLATE \"C\"")
    return try rows.split(separator: "\n").map { row in
      let cells = row.split(separator: "|").map(String.init)
      return Run(job: cells[0], status: cells[1], events: try #require(Int(cells[2])))
    }
  }

  func writeDBTProject() throws {
    let folder = server.folder.path + "/dbt"
    try FileManager.default.createDirectory(atPath: folder + "/models", withIntermediateDirectories: true)
    try TestFiles.write("name: shop\nversion: '1.0'\nprofile: shop\n".utf8, to: folder + "/dbt_project.yml")
    try TestFiles.write(
      "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n".utf8, to: folder + "/profiles.yml")
    for (number, name) in Self.models.enumerated() {
      let source = number == 0 ? "SELECT 1 AS id" : "SELECT id + 1 AS id FROM {{ ref('\(Self.models[number - 1])') }}"
      try TestFiles.write(source.utf8, to: "\(folder)/models/\(name).sql")
    }
  }

  func writeDAG() throws {
    let folder = server.folder.path + "/airflow/dags"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try TestFiles.write(Self.dag.utf8, to: folder + "/shop.py")
  }

  private static let dag = #"""
    import datetime
    from airflow.sdk import dag, task

    @dag(dag_id="shop", schedule=None, start_date=datetime.datetime(2026, 1, 1), catchup=False)
    def shop():
        @task
        def step(before):
            return before
        last = None
        for number in range(4):
            last = step.override(task_id=f"step_{number}")(last)

    shop()
    """#

  /// Sends START and COMPLETE of so many runs, with a pause after each event, and prints the runs.
  static let emit = #"""
    import datetime, sys, time, uuid
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    client = OpenLineageClient()
    for _ in range(int(sys.argv[1])):
        run = str(uuid.uuid4())
        for state in (RunState.START, RunState.COMPLETE):
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            client.emit(RunEvent(eventType=state, eventTime=now, run=Run(runId=run),
                                 job=Job(namespace="py", name="job"), producer="https://example.com/producer"))
            time.sleep(float(sys.argv[2]))
        print(run)
    client.close(timeout=120)
    """#

  /// Writes a key pair of an identity provider's: the secret one, and the public one as it is published.
  static let makeKeys = #"""
    import json, sys
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from jwt.algorithms import ECAlgorithm

    key = ec.generate_private_key(ec.SECP256R1())
    with open(sys.argv[1], "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with open(sys.argv[2], "w") as file:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        json.dump({"keys": [public | {"kid": "a", "alg": "ES256", "use": "sig"}]}, file)
    """#

  /// An identity provider's token endpoint, while another program runs in this process that asks it.
  static let withTokenEndpoint = #"""
    import http.server, json, os, sys, threading, time, urllib.parse
    import jwt

    secret, issuer, program = open(sys.argv[1]).read(), sys.argv[2], sys.argv[3]

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            is_right = form.get("apikey") == ["the-providers-key"]
            claims = {"iss": issuer, "aud": "daybook", "sub": "producer", "exp": int(time.time()) + 300}
            token = jwt.encode(claims, secret, algorithm="ES256", headers={"kid": "a"})
            self.send_response(200 if is_right else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"token": token, "expires_in": 300} if is_right else {}).encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = os.environ["OPENLINEAGE__TRANSPORT__AUTH__TOKEN_ENDPOINT"]
    os.environ["OPENLINEAGE__TRANSPORT__AUTH__TOKEN_ENDPOINT"] = place.replace(
        "https://id.example.org", f"http://127.0.0.1:{server.server_port}")
    sys.argv = sys.argv[:1] + sys.argv[4:]
    exec(program)
    """#
}

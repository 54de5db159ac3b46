import CanonicalJSON
import DaybookClient
import Foundation
import TestBasics
import Testing

extension Acceptance {
  @Suite struct HTTPTests {
    private static let http = ["--http", "127.0.0.1:0"]

    /// An event of OpenLineage about a run.
    private func event(_ run: String) -> String {
      """
      {"eventTime":"2026-11-28T18:50:15Z","eventType":"START","inputs":[],"outputs":[],\
      "job":{"namespace":"http","name":"kill"},"run":{"runId":"\(run)"},"producer":"https://example.com/p"}
      """
    }

    private func key(_ client: DaybookClient) async throws -> String {
      let organization = try await client.organization("http")
      let made = try await client.call(
        "api_key.create",
        [
          "name": "producer", "organization_id": .string(organization),
          "permissions": ["openlineage": ["write"], "runs": ["read"]],
        ])
      return try #require(made["api_key"]?.stringValue)
    }

    @Test(.timeLimit(.minutes(4)))
    func `an event that was 201 is there after kill -9, whenever that came`() async throws {
      try await withServer(Self.http) { server in
        let key = try await key(try await server.client())
        var created: [String] = []
        for round in 1...4 {
          let address = try await server.httpAddress()
          let acknowledged = Acknowledged()
          let senders = (0..<8).map { _ in
            Task {
              let socket = try RawSocket.connect(to: address)
              while !Task.isCancelled {
                let run = UUID().uuidString.lowercased()
                let body = event(run)
                let head =
                  "POST /api/v1/lineage HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
                  + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                try await socket.send(Array((head + body).utf8))
                guard let status = try await socket.line() else { return }
                guard String(decoding: status, as: UTF8.self).hasPrefix("HTTP/1.1 201 ") else {
                  throw HarnessError("not 201: \(String(decoding: status, as: UTF8.self))")
                }
                await acknowledged.add(run)
                while let line = try await socket.line(), line != [0x0D] {}
              }
            }
          }
          _ = try await eventually("events are taken") { await acknowledged.runs.count >= 20 * round ? true : nil }
          try await server.kill()
          for sender in senders {
            sender.cancel()
            // Cut off by the kill; that another answer came than 201 is told below.
            if case .failure(let error) = await sender.result { #expect(!"\(error)".contains("not 201"), "\(error)") }
          }
          created += await acknowledged.runs
          try await server.start()
          let client = try await server.client()
          for run in created {
            let got = try await client.call("run.get", ["id": .string(run)])
            #expect(got["item"]?["status"] == "running")
          }
          try await client.close()
        }
        #expect(created.count >= 200)
      }
    }

    @Test(
      .enabled(
        if: Validators.have("openlineage.client"), "PyPI's openlineage-python is not installed for DAYBOOK_VALIDATORS"),
      .timeLimit(.minutes(4)))
    func `OpenLineage's own client is served: one by one, at once, compressed, and with a wrong key`() async throws {
      try await withServer(Self.http) { server in
        let client = try await server.client()
        let key = try await key(client)
        guard case .tcp(let host, let port) = try await server.httpAddress() else { throw HarnessError("no TCP") }
        let result = try await runProgram(
          [Validators.python, "-c", ForeignProducer.program, "http://\(host):\(port)", key], in: server.folder,
          within: .seconds(180))
        #expect(result.status == .code(0), "\(result.output)\n\(result.errors.suffix(3000))")
        let told = try JSON.parse(result.lines.last ?? "")
        let runs = told["runs"]?.arrayValue?.compactMap(\.stringValue) ?? []
        #expect(runs.count == 60 && told["refused"] == true, "\(result.output)")
        for run in runs {
          #expect(try await client.call("run.get", ["id": .string(run)])["item"]?["status"] == "success", "\(run)")
        }
        try await client.close()
      }
    }

    @Test(.timeLimit(.minutes(2))) func `HTTPS is spoken where there is a certificate`() async throws {
      let folder = try TemporaryFolder()
      let (certificate, secret) = (folder.path + "/cert.pem", folder.path + "/key.pem")
      let made = try await runProgram(
        [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
          "2",
          "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", secret, "-out",
          certificate,
        ], in: folder)
      try #require(made.status == .code(0), "\(made.errors)")
      try await withServer(Self.http + ["--tls-certificate", certificate, "--tls-key", secret]) { server in
        let client = try await server.client()
        let key = try await key(client)
        guard case .tcp(let host, let port) = try await server.httpAddress(),
          await server.readyLine.contains("https://")
        else { throw HarnessError("no HTTPS: \(await server.readyLine)") }
        let run = UUID().uuidString.lowercased()
        let sent = try await runProgram(
          [
            "curl", "-sS", "--cacert", certificate, "-o", "/dev/null", "-w", "%{http_code}", "-H",
            "Authorization: Bearer \(key)", "-H", "Content-Type: application/json", "-d", event(run),
            "https://\(host):\(port)/api/v1/lineage",
          ], in: folder)
        #expect(sent.output == "201", "\(sent.errors)")
        #expect(try await client.call("run.get", ["id": .string(run)])["item"]?["status"] == "running")
        let plain = try await runProgram(["curl", "-sS", "http://\(host):\(port)/health/live"], in: folder)
        #expect(plain.status != .code(0))
        try await client.close()
      }
      try await folder.destroy()
    }
  }
}

/// Runs whose event was answered with 201.
private actor Acknowledged {
  private(set) var runs: [String] = []

  func add(_ run: String) { runs.append(run) }
}

/// OpenLineage's client for Python.
private enum ForeignProducer {
  /// Sends START and COMPLETE of 20 runs in each of three ways, and one event with a wrong key; prints the runs.
  static let program = #"""
    import datetime, json, sys, uuid
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport
    from openlineage.client.transport.async_http import AsyncHttpConfig, AsyncHttpTransport

    url, key = sys.argv[1:]
    runs = []

    def event(state, run):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        return RunEvent(eventType=state, eventTime=now, run=Run(runId=run), job=Job(namespace="py", name="job"),
                        producer="https://example.com/producer")

    def auth(key):
        return ApiKeyTokenProvider({"apiKey": key})

    transports = [
        HttpTransport(HttpConfig(url=url, auth=auth(key))),
        HttpTransport(HttpConfig(url=url, auth=auth(key), compression=HttpCompression.GZIP)),
        AsyncHttpTransport(AsyncHttpConfig(url=url, auth=auth(key))),
    ]
    for transport in transports:
        client = OpenLineageClient(transport=transport)
        for _ in range(20):
            run = str(uuid.uuid4())
            runs.append(run)
            client.emit(event(RunState.START, run))
            client.emit(event(RunState.COMPLETE, run))
        client.close(timeout=60)
    refused = False
    try:
        HttpTransport(HttpConfig(url=url, auth=auth("dbk_wrong"))).emit(event(RunState.START, str(uuid.uuid4())))
    except Exception as error:
        refused = "401" in str(error)
    print(json.dumps({"runs": runs, "refused": refused}))
    """#
}

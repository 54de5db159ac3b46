import CanonicalJSON
import DaybookClient
import Foundation
import Metrics
import ServerTestKit
import TestBasics
import Testing

@testable import Server

@Suite(.timeLimit(.minutes(2))) struct MonitoringTests {
  private static let token = "0123456789abcdef0123456789abcdef"
  static let openMetrics = "application/openmetrics-text; version=1.0.0"

  private static func run(
    _ change: @escaping (inout ServerConfiguration) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
  ) async throws {
    try await TestServer.run { configuration in
      configuration.http = ("127.0.0.1", 0)
      change(&configuration)
    } _: {
      try await body($0)
    }
  }

  private static func ask(
    _ test: TestServer, key: String? = nil, headers: [String] = []
  ) async throws -> HTTPReply {
    let http = try await test.http()
    let reply = try await http.ask(HTTPSocket.request("GET", "/metrics", key: key, headers: headers))
    await http.close()
    return reply
  }

  private static func metrics(_ test: TestServer, isOpenMetrics: Bool = false) async throws -> MetricsText {
    let reply = try await ask(test, headers: isOpenMetrics ? ["Accept: \(openMetrics)"] : [])
    #expect(reply.status == 200, "\(reply.text)")
    return try MetricsText(reply.text, isOpenMetrics: isOpenMetrics)
  }

  // MARK: What is told

  @Test func `every family is told in both formats, as a strict reader takes them`() async throws {
    try await Self.run { test in
      _ = try await test.organization("acme")
      let text = try await Self.ask(test)
      #expect(text["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
      let open = try await Self.ask(test, headers: ["Accept: \(Self.openMetrics)"])
      #expect(open["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
      let read = try MetricsText(text.text, isOpenMetrics: false)
      #expect(read.families.map(\.name) == ServerFamilies.all.map(\.name))
      let readOpen = try MetricsText(open.text, isOpenMetrics: true)
      #expect(readOpen.families.count == ServerFamilies.all.count)
      for (family, declared) in zip(readOpen.families, ServerFamilies.all) {
        #expect(family.kind == declared.kind.rawValue && declared.name.hasPrefix(family.name), "\(family.name)")
        let labels = Set(declared.labels + (declared.kind == .histogram ? ["le"] : []))
        for sample in family.samples { #expect(Set(sample.labels.keys).isSubset(of: labels), "\(sample)") }
      }
      let http = try await test.http()
      await http.send(HTTPSocket.request("HEAD", "/metrics"))
      let head = try #require(try await http.reply(toHead: true))
      #expect(head.status == 200 && (head["Content-Length"].flatMap { Int($0) } ?? 0) > 1000)
      // The connection goes on.
      #expect(try await http.ask(HTTPSocket.request("GET", "/metrics")).status == 200)
      #expect(try await http.ask(HTTPSocket.request("POST", "/metrics", body: [])).status == 405)
    }
  }

  @Test func `what happens is counted where it belongs`() async throws {
    try await Self.run { test in
      let before = try await Self.metrics(test)
      let acme = try await test.organization("acme")
      let client = try await test.administrator()
      let refused = try? await client.call("organization.create", ["name": "x", "slug": "acme"])
      #expect(refused == nil, "the slug is taken")
      _ = try await client.call("organization.get", ["id": .string(acme)])
      let subscription = try await client.call("log.subscribe")
      #expect(subscription["subscription"] != nil)
      let http = try await test.http()
      _ = try await http.ask(HTTPSocket.request("GET", "/nothing/secret-of-acme"))
      _ = try await http.ask(HTTPSocket.request("GET", "/health/live"))
      _ = try await http.ask(HTTPSocket.request("GET", "/rpc"))
      _ = try await http.ask(HTTPTests.post("{}", key: "dbk_wrong"))
      let after = try await Self.metrics(test)
      func moved(_ name: String, _ labels: [String: String] = [:]) throws -> Double {
        let was = before.samples(name).filter { s in labels.allSatisfy { s.labels[$0.key] == $0.value } }
        return try after.value(name, labels) - was.reduce(0) { $0 + $1.value }
      }
      #expect(try moved("daybook_commands_total", ["method": "organization.create", "result": "accepted"]) == 1)
      #expect(try moved("daybook_commands_total", ["method": "organization.create", "result": "refused"]) == 1)
      #expect(try moved("daybook_queries_total", ["method": "organization.get", "result": "accepted"]) == 1)
      #expect(try moved("daybook_command_duration_seconds_count") == 2)
      #expect(try moved("daybook_command_duration_seconds_sum") > 0)
      #expect(try moved("daybook_refusals_total", ["code": "conflict"]) == 1)
      #expect(try moved("daybook_conflicts_total", ["reason": "unique"]) == 1)
      #expect(try moved("daybook_sign_ins_total", ["result": "refused"]) == 1)
      #expect(try moved("daybook_log_events_total") >= 1)
      #expect(try moved("daybook_log_commit_duration_seconds_count") >= 1)
      #expect(try moved("daybook_journal_sync_duration_seconds_count") >= 1)
      #expect(try moved("daybook_log_position") >= 1)
      #expect(try moved("daybook_http_requests_total", ["path": "other", "status": "404"]) == 1)
      #expect(try moved("daybook_http_requests_total", ["path": "/rpc", "status": "405"]) == 1)
      #expect(try moved("daybook_http_requests_total", ["path": "/health/live", "status": "200"]) == 1)
      #expect(try moved("daybook_http_requests_total", ["path": "/api/v1/lineage", "status": "401"]) == 1)
      #expect(try moved("daybook_http_requests_total", ["path": "/metrics", "status": "200"]) == 1)
      #expect(try after.value("daybook_subscriptions") == 1)
      #expect(try after.value("daybook_sessions") >= 1)
      #expect(try after.value("daybook_connections") >= 3)
      #expect(try after.value("daybook_postgres_up") == 0, "nobody listens on its port")
      #expect(try after.value("daybook_projections", ["state": "unavailable"]) > 10)
      #expect(try after.value("daybook_log_size_bytes") > 4096)
      #expect(try after.value("daybook_journal_size_bytes") > 4096)
      #expect(try after.value("daybook_log_disk_free_bytes") > 1_000_000)
      #expect(try after.value("daybook_build_info", ["version": DaybookServer.version]) == 1)
      #expect(!after.families.flatMap(\.samples).contains { $0.labels.values.contains { $0.contains("acme") } })
      try await client.close()
    }
  }

  @Test func `a refused request is one request, though its client goes away afterwards`() async throws {
    try await Self.run { test in
      for _ in 0..<5 {
        let http = try await test.http()
        #expect(try await http.ask(HTTPSocket.request("POST", "/metrics", body: [])).status == 405)
        try await http.finish()
        #expect(await http.rest().isEmpty)
        await http.close()
      }
      let read = try await Self.metrics(test)
      #expect(try read.value("daybook_http_requests_total", ["path": "/metrics", "status": "405"]) == 5)
      #expect(read.samples("daybook_http_requests_total").allSatisfy { $0.labels["status"] != "400" })
      #expect(try read.value("daybook_refusals_total", ["code": "invalid_request"]) == 5)
    }
  }

  @Test func `the process is told of as the system knows it`() async throws {
    try await Self.run { test in
      let read = try await Self.metrics(test)
      let now = Date().timeIntervalSince1970
      let started = try read.value("process_start_time_seconds")
      #expect(started > now - 86_400 && started <= now + 1, "\(started) \(now)")
      #expect(try read.value("process_cpu_seconds_total") > 0)
      #expect(try read.value("process_threads") >= 2)
      let resident = try read.value("process_resident_memory_bytes")
      #expect(resident > 1_000_000 && resident < 1e11)
      #expect(try read.value("process_virtual_memory_bytes") > resident)
      let open = try read.value("process_open_fds")
      let most = try read.value("process_max_fds")
      #expect(open > 5 && open < most)
    }
  }

  @Test func `server.metrics counts as it did, with the bounds of its buckets`() async throws {
    try await Self.run { test in
      let acme = try await test.organization("acme")
      let client = try await test.administrator()
      _ = try await client.call("organization.get", ["id": .string(acme)])
      _ = try? await client.call("organization.get", ["id": "x"])
      let told = try await client.call("server.metrics")
      #expect(told["queries_by_method"]?["organization.get"] == 2)
      #expect(told["queries"]?["count"] == 2 && told["queries"]?["refused"] == 1)
      #expect(told["commands"]?["count"] == 1 && told["commands"]?["refused"] == 0)
      #expect(told["refusals_by_type"]?["invalid_params"] == 1)
      let buckets = told["commands"]?["latency"]?.arrayValue ?? []
      #expect(buckets.last?["count"] == 1 && buckets.last?["below_seconds"] != nil)
      try await client.close()
    }
  }

  @Test func `a backup is counted with its time, and a job of the clock with its turns`() async throws {
    try await Self.run {
      $0.timedWorkInterval = .milliseconds(50)
    } _: { test in
      let client = try await test.administrator()
      _ = try await client.call("log.backup", ["folder": .string(test.folder + "/backup")])
      let failed = try? await client.call("log.backup", ["folder": .string(test.folder + "/backup")])
      #expect(failed == nil, "the folder is not empty")
      try await client.close()
      // Jobs that ask PostgreSQL fail here, others don't.
      let read = try await eventually("a job had its turn") { () -> MetricsText? in
        let read = try await Self.metrics(test)
        return try read.value("daybook_timer_turns_total", ["timer": "subject.erase", "result": "done"]) >= 2
          ? read : nil
      }
      #expect(try read.value("daybook_backups_total", ["result": "made"]) == 1)
      #expect(try read.value("daybook_backups_total", ["result": "failed"]) == 1)
      #expect(try read.value("daybook_backup_last_try_succeeded") == 0)
      let now = Date().timeIntervalSince1970
      #expect(abs(try read.value("daybook_backup_last_success_timestamp_seconds") - now) < 60)
      #expect(try read.value("daybook_backups_running") == 0)
      #expect(read.samples("daybook_backup_overdue").isEmpty, "there is no schedule")
      #expect(try read.value("daybook_timer_lateness_seconds", ["timer": "subject.erase"]) < 30)
    }
  }

  @Test func `a job that fails is late until it goes through`() {
    let board = TimerBoard()
    let second: UInt64 = 1_000_000_000
    board.begin(["b", "a"], dueAfter: .seconds(15), now: 100 * second)
    func lateness(_ name: String, at now: UInt64) -> Double? {
      board.jobs.first { $0.name == name }?.lateness(at: now * second)
    }
    #expect(board.jobs.map(\.name) == ["a", "b"])
    #expect(lateness("a", at: 110) == 0 && lateness("a", at: 120) == 5)
    board.ended("a", began: 119 * second, failed: true, dueAfter: .seconds(15), now: 120 * second)
    #expect(lateness("a", at: 130) == 15)
    board.ended("a", began: 130 * second, failed: false, dueAfter: .seconds(3600), now: 132 * second)
    #expect(lateness("a", at: 3000) == 0 && lateness("a", at: 132 + 3610) == 10)
    #expect(lateness("b", at: 132) == 17)
    let job = board.jobs.first { $0.name == "a" }
    #expect(job?.done == 1 && job?.failed == 1 && job?.lastSeconds == 2)
  }

  // MARK: Who is told

  @Test func `this machine reads metrics without a token, but not what is handed on or a page from elsewhere`()
    async throws
  {
    try await Self.run { test in
      #expect(try await Self.ask(test).status == 200)
      for header in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy"] {
        let reply = try await Self.ask(test, headers: [header])
        #expect(reply.status == 401 && reply["WWW-Authenticate"] == "Bearer", "\(header)")
      }
      for (host, status) in [
        ("localhost", 200), ("LOCALHOST:7718", 200), ("127.0.0.1", 200), ("127.8.9.1:1", 200), ("[::1]:7718", 200),
        ("[::1]", 200), ("evil.example", 401), ("127.0.0.1.evil.example", 401), ("127.0.0.evil:80", 401),
        ("192.0.2.1", 401), ("", 401),
      ] {
        let http = try await test.http()
        let reply = try await http.ask(Array("GET /metrics HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8))
        #expect(reply.status == status, "\(host)")
        await http.close()
      }
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read", "write", "execute", "admin"]]).key
      #expect(try await Self.ask(test, key: key).status == 403, "a key is of one organization")
      #expect(try await Self.ask(test, key: "dbk_wrong").status == 401)
    }
  }

  @Test(arguments: ServerConfiguration.MetricsAccess.allCases)
  func `who is told depends on the server's option, and the token tells metrics and nothing else`(
    access: ServerConfiguration.MetricsAccess
  ) async throws {
    try await TemporaryFolder.with { folder in
      let file = folder.path + "/token"
      try TestFiles.write("\(Self.token)\n".utf8, to: file)
      try await Self.run {
        $0.metricsAccess = access
        if access != .none { $0.metricsTokenFile = file }
      } _: { test in
        let forwarded = "X-Forwarded-For: 192.0.2.1"
        #expect(try await Self.ask(test).status == [.local: 200, .open: 200, .token: 401, .none: 404][access])
        let elsewhere = try await Self.ask(test, headers: [forwarded])
        #expect(elsewhere.status == [.local: 401, .open: 200, .token: 401, .none: 404][access])
        guard access != .none else { return }
        #expect(try await Self.ask(test, key: Self.token, headers: [forwarded]).status == 200)
        #expect(try await Self.ask(test, key: Self.token.dropLast() + "x", headers: [forwarded]).status == 401)
        let http = try await test.http()
        let call = Array(#"{"jsonrpc":"2.0","id":1,"method":"server.metrics"}"#.utf8)
        #expect(
          try await http.ask(HTTPSocket.request("POST", "/rpc", key: Self.token, body: call)).status == 401)
        #expect(try await http.ask(HTTPSocket.request("GET", "/metrics", key: Self.token)).status == 200)
        // Nobody is signed in by it on the connection that it came over.
        let after = try await http.ask(HTTPSocket.request("POST", "/rpc", body: call))
        #expect(try after.json()["error"]?["data"]?["type"] == "unauthenticated", "\(after.text)")
        await http.close()
      }
    }
  }

  @Test func `a token file that can't be right keeps the server from starting, and says why`() async throws {
    try await TemporaryFolder.with { folder in
      for (text, word) in [("short", "20"), ("two words that are long enough", "one token"), ("", "one token")] {
        try TestFiles.write(text.utf8, to: folder.path + "/token")
        #expect(throws: ServerStartError.self) { try ScrapeToken(folder.path + "/token") }
        do throws(ServerStartError) {
          _ = try ScrapeToken(folder.path + "/token")
        } catch {
          #expect(error.message.contains(word), "\(error)")
        }
      }
      #expect(throws: ServerStartError.self) { try ScrapeToken(folder.path + "/missing") }
      try TestFiles.write(Self.token.utf8, to: folder.path + "/token")
      let token = try ScrapeToken(folder.path + "/token")
      #expect(token.matches(Self.token) && !token.matches(""))
      // A new one is taken on SIGHUP; one that can't be read changes nothing.
      let next = String(Self.token.reversed())
      try TestFiles.write(next.utf8, to: folder.path + "/token")
      #expect(!token.matches(next))
      try token.reload()
      #expect(token.matches(next) && !token.matches(Self.token))
      try TestFiles.write("x".utf8, to: folder.path + "/token")
      #expect(throws: ServerStartError.self) { try token.reload() }
      #expect(token.matches(next))
    }
  }

  @Test func `the path of OpenLineage is told as its usual one, wherever it is put`() async throws {
    try await Self.run {
      $0.openLineagePath = "/hooks/secret-of-somebody"
    } _: { test in
      let http = try await test.http()
      _ = try await http.ask(HTTPSocket.request("POST", "/hooks/secret-of-somebody", body: Array("{}".utf8)))
      let read = try await Self.metrics(test)
      #expect(try read.value("daybook_http_requests_total", ["path": "/api/v1/lineage", "status": "401"]) == 1)
      #expect(!read.families.flatMap(\.samples).contains { $0.labels.values.contains { $0.contains("secret") } })
    }
  }
}

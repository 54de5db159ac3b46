import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// How the command line finds a server and signs in to it, and what it says where it can't.
@Suite(.serialized) struct ConnectionCommandTests {
  @Test func `what is wrong with a certificate is said, and which option helps`() async throws {
    try await withDesk { desk in
      try await desk.makeCertificate("server", for: "localhost")
      try await desk.makeCertificate("other", for: "db.example.org")
      try await desk.makeExpiredCertificate("old", for: "localhost")
      let tls = ["--tls-certificate", "\(desk.folder)/server.pem", "--tls-key", "\(desk.folder)/server.key"]
      try await desk.withServer(listen: "127.0.0.1:0", tls) {
        let port = try await desk.port()
        func ping(_ address: String, _ more: [String] = []) async throws -> ProgramResult {
          try await desk.run(["call", "server.ping", "--connect", address] + more)
        }
        let trusted = try await ping("tls:localhost:\(port)", ["--tls-ca", "\(desk.folder)/server.pem"])
        #expect(trusted.output == "{\"pong\":true}\n", "\(trusted.errors)")
        let byVariable = try await desk.daybook(
          "call", "server.ping", "--connect", "tls:localhost:\(port)",
          environment: ["DAYBOOK_TLS_CA": "\(desk.folder)/server.pem"])
        #expect(byVariable.status == .code(0), "\(byVariable.errors)")
        let owner = try await desk.call(
          "user.create", ["email": "ann@x.example", "role": "admin", "password": "ann of x"])
        #expect(owner["version"] == 1)
        let ends = try await desk.daybook(
          "expiring", "--within", "3d", "--json", "--email", "ann@x.example", "--connect", "tls:localhost:\(port)",
          "--tls-ca", "\(desk.folder)/server.pem", environment: ["DAYBOOK_PASSWORD": "ann of x"])
        #expect(try ends.json().arrayValue?.map { $0["resource_type"] } == ["certificate"], "\(ends.errors)")
        let selfMade = try await ping("tls:localhost:\(port)")
        #expect(selfMade.status == .code(69))
        #expect(selfMade.errors.contains("isn't signed by an authority that this machine trusts."))
        #expect(selfMade.errors.contains("Next: ") && selfMade.errors.contains("--tls-ca or DAYBOOK_TLS_CA"))
        let another = try await ping("tls:localhost:\(port)", ["--tls-ca", "\(desk.folder)/other.pem"])
        #expect(another.errors.contains("isn't signed by an authority in \(desk.folder)/other.pem"))
        let byAddress = try await ping("tls:127.0.0.1:\(port)", ["--tls-ca", "\(desk.folder)/server.pem"])
        #expect(byAddress.errors.contains("is for another name than 127.0.0.1"), "\(byAddress.errors)")
        let missing = try await ping("tls:localhost:\(port)", ["--tls-ca", "\(desk.folder)/nope.pem"])
        #expect(missing.errors.contains("can't be read from \(desk.folder)/nope.pem: No such file or directory."))
        try TestFiles.write("no certificate".utf8, to: "\(desk.folder)/text.pem")
        let text = try await ping("tls:localhost:\(port)", ["--tls-ca", "\(desk.folder)/text.pem"])
        #expect(text.errors.contains("holds no certificate in PEM"), "\(text.errors)")
        let plain = try await ping("tcp:localhost:\(port)")
        #expect(plain.status == .code(69))
        #expect(plain.errors.contains("connect to tls:localhost:\(port)"), "\(plain.errors)")
      }
      let old = ["--tls-certificate", "\(desk.folder)/old.pem", "--tls-key", "\(desk.folder)/old.key"]
      try await desk.withServer(listen: "127.0.0.1:0", old) {
        let port = try await desk.port()
        let expired = try await desk.daybook(
          "call", "server.ping", "--connect", "tls:localhost:\(port)", "--tls-ca", "\(desk.folder)/old.pem")
        #expect(expired.errors.contains("the server's certificate expired on 2021-01-01."), "\(expired.errors)")
      }
      try await desk.withServer(listen: "127.0.0.1:0") {
        let port = try await desk.port()
        let noTLS = try await desk.daybook("call", "server.ping", "--connect", "tls:localhost:\(port)")
        #expect(noTLS.errors.contains("what listens there speaks no TLS"), "\(noTLS.errors)")
        #expect(noTLS.errors.contains("Next: Connect to tcp:HOST:PORT"))
      }
    }
  }

  @Test func `where no server answers it is said in words, without those of libraries`() async throws {
    try await withDesk { desk in
      let socket = try await desk.daybook("call", "server.ping")
      #expect(
        socket.errors == """
          daybook: No connection to unix:\(desk.data)/daybook.sock: there is no such socket.
          Next: Is the server running (daybook serve)? Say where it listens with --connect or DAYBOOK_CONNECT.

          """)
      let port = try await desk.daybook("call", "server.ping", "--connect", "tcp:127.0.0.1:1")
      #expect(port.errors.hasPrefix("daybook: No connection to tcp:127.0.0.1:1: nothing listens on this port.\nNext: "))
      let host = try await desk.daybook("call", "server.ping", "--connect", "tcp:no-such-host.invalid:7717")
      #expect(host.errors.contains("no host of this name is known"), "\(host.errors)")
      #expect(host.errors.contains("Next: Check the name"))
    }
  }

  @Test func `a person and a key sign in once, and contexts choose the server`() async throws {
    try await withDesk { desk in
      try await desk.withServer(listen: "127.0.0.1:0") {
        let port = try await desk.port()
        let address = "tcp:127.0.0.1:\(port)"
        let acme = try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])["id"] ?? .null
        let owner = try await desk.call(
          "user.create",
          ["email": "olga@acme.example", "role": "developer", "password": "olga of acme", "organization_id": acme])
        try await desk.call(
          "membership.create", ["organization_id": acme, "user_id": owner["id"] ?? .null], orEdit: "owner")
        try await desk.call("user.create", ["email": "root@acme.example", "role": "admin", "password": "root of all"])
        try await desk.call("pipeline.create", ["organization_id": acme, "name": "nightly"])
        let home = ["HOME": "\(desk.folder)/home", "DAYBOOK_DATA": "", "XDG_CONFIG_HOME": ""]
        func at(_ arguments: String..., password: String = "olga of acme") async throws -> ProgramResult {
          try await desk.run(arguments, environment: home.merging(["DAYBOOK_PASSWORD": password]) { _, own in own })
        }
        let wrong = try await at("login", "--connect", address, "--email", "olga@acme.example", password: "guess")
        #expect(wrong.status == .code(1))
        #expect(wrong.errors.contains("Next: Check the address olga@acme.example and its password."), "\(wrong.errors)")
        let file = "\(desk.folder)/home/.config/daybook/contexts.json"
        #expect(!FileManager.default.fileExists(atPath: file), "what failed leaves nothing")

        let person = try await at("login", "--connect", address, "--email", "olga@acme.example", "--name", "olga")
        #expect(person.status == .code(0), "\(person.errors)")
        #expect(person.output.hasPrefix("Signed in to \(address) as olga@acme.example; the context olga is used"))
        let kept = try String(contentsOfFile: file, encoding: .utf8)
        #expect(!kept.contains("olga of acme"), "no password is kept")
        #expect(try permissions(file) == 0o600 && permissions("\(desk.folder)/home/.config/daybook") == 0o700)
        #expect(try await at("list", "pipelines", "--json").json().arrayValue?.map { $0["name"] } == ["nightly"])

        let key = try await at(
          "login", "--connect", address, "--email", "olga@acme.example", "--organization", "acme", "--name", "key")
        #expect(key.status == .code(0), "\(key.errors)")
        #expect(key.output.contains("A key for acme is kept, good for 30 days."))
        let withKey = try await at("call", "session.whoami", password: "")
        #expect(try withKey.json()["principal"]?["kind"] == "api_key", "\(withKey.errors)")
        let expiring = try await at("expiring", "--within", "31d", "--json", password: "")
        #expect(try expiring.json().arrayValue?.map { $0["resource_type"] } == ["api_key"])

        let secret = try #require(
          try JSON.parse(Array(String(contentsOfFile: file, encoding: .utf8).utf8))["contexts"]?["key"]?["api_key"]?
            .stringValue)
        let piped = try await desk.run(
          ["login", "--connect", address, "--api-key", "-", "--name", "piped"], input: secret + "\n", environment: home)
        #expect(piped.status == .code(0), "\(piped.errors)")
        let listed = try await at("context", "list", "--json")
        #expect(try listed.json().arrayValue?.map { $0["name"] } == ["key", "olga", "piped"])
        #expect(try listed.json().arrayValue?.map { $0["current"] } == [false, false, true])
        let table = try await at("context")
        #expect(!table.output.contains(secret) && !listed.output.contains(secret), "keys aren't shown")
        #expect(try await at("context", "use", "olga").status == .code(0))
        #expect(try await at("call", "session.whoami").json()["principal"]?["kind"] == "user")
        #expect(try await at("call", "session.whoami", "--context", "key").json()["principal"]?["kind"] == "api_key")
        let misspelled = try await at("context", "use", "olge")
        #expect(misspelled.status == .code(64) && misspelled.errors.contains("olga"), "\(misspelled.errors)")
        // Nothing of a context goes to an address that is given.
        let elsewhere = try await at("call", "session.whoami", "--connect", address)
        #expect(elsewhere.status == .code(1) && elsewhere.errors.contains("daybook login"), "\(elsewhere.errors)")

        // An administrator administers from another machine.
        let admin = try await at(
          "login", "--connect", address, "--email", "root@acme.example", "--name", "admin", password: "root of all")
        #expect(admin.status == .code(0), "\(admin.errors)")
        let role = try await at("sql-role", "add", "acme_reports", "--organization", "acme", password: "root of all")
        #expect(role.status == .code(0), "\(role.errors)")
        let rebuilt = try await at("rebuild", "pipelines", password: "root of all")
        #expect(rebuilt.status == .code(0), "\(rebuilt.errors)")

        #expect(try await at("context", "remove", "key").output.contains("api_key.revoke"))
        #expect(try await at("call", "server.ping", "--context", "key").status == .code(64))
        chmod(file, 0o644)
        let open = try await at("call", "server.ping")
        #expect(open.status == .code(64) && open.errors.contains("chmod 600"), "\(open.errors)")
      }
    }
  }

  private func permissions(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }
}

extension Desk {
  /// Makes a person an owner of an organization whose member they are.
  fileprivate func call(_ method: String, _ params: JSON, orEdit role: String) async throws {
    let found = try await call(
      "membership.list",
      ["where": ["organization_id": params["organization_id"] ?? .null, "user_id": params["user_id"] ?? .null]])
    let id = found["items"]?.arrayValue?.first?["id"] ?? .null
    try await call("membership.edit", ["id": id, "role": .string(role)])
  }

  /// The port of the server's TCP address.
  func port() async throws -> Int {
    let addresses = try await call("server.status")["addresses"]?.arrayValue ?? []
    let address = try #require(addresses.compactMap(\.stringValue).first { !$0.hasPrefix("unix:") })
    return try #require(address.split(separator: ":").last.flatMap { Int($0) })
  }

  /// Makes a certificate that signs itself, and its key.
  func makeCertificate(_ name: String, for host: String) async throws {
    try await openSSL(
      """
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=\(host) \
        -addext subjectAltName=DNS:\(host) -keyout \(name).key -out \(name).pem
      """)
  }

  /// Makes one that expired years ago, which only `openssl ca` does.
  fileprivate func makeExpiredCertificate(_ name: String, for host: String) async throws {
    try await openSSL(
      """
      printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\n' > ca.cnf
      printf 'policy=p\\nx509_extensions=v\\n[p]\\ncommonName=supplied\\n[v]\\n' >> ca.cnf
      printf 'subjectAltName=DNS:\(host)\\nbasicConstraints=CA:true\\n' >> ca.cnf
      : > index
      echo 01 > serial
      openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=\(host) -keyout \(name).key \
        -out \(name).csr
      openssl ca -batch -notext -selfsign -config ca.cnf -startdate 20200101000000Z -enddate 20210101000000Z \
        -in \(name).csr -keyfile \(name).key -out \(name).pem
      """)
  }

  private func openSSL(_ script: String) async throws {
    let made = try await runProgram(["bash", "-euc", script], in: directory, directory: folder)
    try #require(made.status == .code(0), "\(made.errors)")
  }
}

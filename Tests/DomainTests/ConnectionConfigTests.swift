import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What a connection's configuration must hold for its type, and which one is the default.
@Suite struct ConnectionConfigTests {
  private func params(_ type: String, _ config: JSON, _ acme: String) -> JSONObject {
    ["name": "c", "type": .string(type), "config": config, "organization_id": .string(acme)]
  }

  @Test(
    arguments: [
      ("local", [:]), ("local", ["master": "local[*]", "driver_memory": "2g", "executor_memory": "2g"]),
      ("local", ["master": "local"]),
      ("local", ["master": "local[4,2]", "executor_memory": "512MB", "spark.ui": false]),
      ("standalone", ["master": "spark://host:7077"]),
      ("standalone", ["master": "spark://one:7077,two:7078", "deploy_mode": "cluster", "executor_cores": 2]),
      ("yarn", [:]), ("yarn", ["master": "yarn", "queue": "default", "deploy_mode": "client", "num_executors": 4]),
      (
        "kubernetes",
        ["master": "k8s://https://10.0.0.1:6443", "namespace": "spark-jobs", "image": "apache/spark:3.5.0"]
      ),
      ("kubernetes", ["master": "k8s://host:443"]),
      (
        "databricks",
        ["host": "https://xxx.cloud.databricks.com", "token": "dapi123", "cluster_id": "0123-456789-abc123"]
      ),
      ("livy", ["url": "http://livy-server:8998", "auth": "basic", "username": "admin", "password": "secret"]),
      ("livy", ["url": "https://[::1]:8998/livy", "auth": "none"]),
      ("livy", ["url": "http://livy", "auth": "kerberos"]),
      ("livy", ["url": "http://livy"]), ("postgres", ["host": "db.example.org", "port": 5432, "password": "p"]),
      ("kafka", ["brokers": ["a:9092"]]), ("s3", ["port": nil, "host": nil]), ("csv", [:]),
    ] as [(String, JSON)])
  func `a documented configuration is taken`(_ type: String, _ config: JSON) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make("connection", params(type, config, acme))
    #expect(try book.item(id)["type"] == .string(type))
  }

  @Test(
    arguments: [
      ("local", ["master": "local[]"], ["master"]), ("local", ["master": "yarn"], ["master"]),
      ("local", ["master": "local[0]"], ["master"]),
      ("local", ["driver_memory": "much", "executor_memory": 2], ["driver_memory", "executor_memory"]),
      ("standalone", [:], ["master"]), ("standalone", ["master": "host:7077"], ["master"]),
      ("standalone", ["master": "spark://host"], ["master"]), ("standalone", ["master": "spark://h:0"], ["master"]),
      ("standalone", ["master": "spark://h:1", "deploy_mode": "both"], ["deploy_mode"]),
      ("yarn", ["master": "local", "queue": ""], ["master", "queue"]),
      ("yarn", ["num_executors": 0], ["num_executors"]),
      ("kubernetes", [:], ["master"]), ("kubernetes", ["master": "https://host"], ["master"]),
      ("kubernetes", ["master": "k8s://h:1", "namespace": "No_Such", "image": ""], ["image", "namespace"]),
      ("databricks", [:], ["host", "token", "cluster_id"]),
      ("databricks", ["host": "http://x", "token": "t", "cluster_id": "c"], ["host"]),
      ("databricks", ["host": "https://", "token": "", "cluster_id": 5], ["host", "token", "cluster_id"]),
      ("databricks", ["host": "https://a b", "token": "t", "cluster_id": "c"], ["host"]),
      ("livy", [:], ["url"]), ("livy", ["url": "livy:8998"], ["url"]),
      ("livy", ["url": "http://livy", "auth": "digest"], ["auth"]),
      ("livy", ["url": "http://livy", "auth": "basic"], ["username", "password"]),
      ("livy", ["url": "http://livy", "auth": "basic", "username": "u", "password": 5], ["password"]),
      ("postgres", ["host": 5, "port": 0], ["host", "port"]), ("mysql", ["port": 65536], ["port"]),
      ("mongodb", ["port": "27017"], ["port"]), ("rest_api", ["port": 1.5], ["port"]),
      ("kafka", ["host": ""], ["host"]),
    ] as [(String, JSON, [String])])
  func `a wrong configuration is refused, and the member named`(_ type: String, _ config: JSON, _ members: [String])
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let error = try await book.refusal("connection.create", params(type, config, acme))
    #expect(Set(error.paths) == Set(members.map { "/config/\($0)" }))
    #expect(error.paths.count == members.count)
    // The same on an edit of an existing one.
    let id = try await book.make("connection", params("csv", [:], acme))
    let edited = try await book.refusal(
      "connection.edit", ["id": .string(id), "type": .string(type), "config": config])
    #expect(Set(edited.paths) == Set(error.paths))
  }

  @Test(arguments: [JSON.array([]), "text", 5, true])
  func `a configuration is an object`(_ config: JSON) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    #expect(try await book.refusal("connection.create", params("s3", config, acme)).paths == ["/config"])
  }

  @Test func `an edit is judged with what stays, and secrets stand for themselves`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "connection", params("databricks", ["host": "https://x.y", "token": "t", "cluster_id": "c"], acme))
    #expect(try await book.refusal("connection.edit", ["id": .string(id), "type": "livy"]).paths == ["/config/url"])
    try await book.call("connection.edit", ["id": .string(id), "name": "other"])
    // The mask of a hidden secret is the secret; another type's rules see what is sealed as given.
    let masked: JSON = ["host": "https://z.y", "token": "********", "cluster_id": "c"]
    try await book.call("connection.edit", ["id": .string(id), "config": masked])
    try await book.call("connection.edit", ["id": .string(id), "type": "databricks", "description": "d"])
    #expect(try book.item(id)["config"] == masked)
    #expect(
      try await book.refusal("connection.edit", ["id": .string(id), "config": ["host": "https://z.y", "token": "t"]])
        .paths == ["/config/cluster_id"])
  }

  @Test func `a credential holds the secrets in the configuration's place`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let credential = try await book.make(
      "credential", ["name": "k", "data": ["token": "t"], "organization_id": .string(acme)])
    let config: JSON = ["host": "https://x.y", "cluster_id": "c"]
    #expect(try await book.refusal("connection.create", params("databricks", config, acme)).paths == ["/config/token"])
    let id = try await book.make(
      "connection", params("databricks", config, acme).merging(["credential_id": .string(credential)]))
    #expect(
      try await book.refusal("connection.edit", ["id": .string(id), "credential_id": nil]).paths == ["/config/token"])
  }

  // MARK: - Defaults

  @Test func `a person has one default, however it came about`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme", platform: "etlab")
    let (ann, bob) = (try await book.member("ann", of: acme), try await book.member("bob", of: acme))
    func connection(_ owner: String, isDefault: Bool = false) async throws -> String {
      try await book.make(
        "connection",
        params("local", [:], acme).merging(["owner_id": .string(owner), "is_default": .bool(isDefault)]))
    }
    func defaults(_ ids: [String]) throws -> [Bool] { try ids.map { try book.item($0)["is_default"] == true } }
    let first = try await connection(ann.id, isDefault: true)
    let second = try await connection(ann.id, isDefault: true)
    let third = try await connection(ann.id)
    let other = try await connection(bob.id, isDefault: true)
    #expect(try defaults([first, second, third, other]) == [false, true, false, true])
    let edited = try await book.call("connection.edit", ["id": .string(third), "is_default": true])
    #expect(edited.eventNames == ["connection.edited", "connection.edited"])
    #expect(try defaults([first, second, third, other]) == [false, false, true, true])
    // Whoever has a default keeps it when another one's default becomes theirs …
    try await book.call("connection.edit", ["id": .string(third), "owner_id": .string(bob.id)])
    #expect(try defaults([first, second, third, other]) == [false, false, false, true])
    // … unless that is to be it.
    try await book.call("connection.set_default", ["id": .string(first)])
    try await book.call("connection.edit", ["id": .string(first), "owner_id": .string(bob.id), "is_default": true])
    #expect(try defaults([first, second, third, other]) == [true, false, false, false])
    // Who has none gets it with the connection.
    try await book.call("connection.edit", ["id": .string(first), "owner_id": .string(ann.id)])
    #expect(try defaults([first, second, third, other]) == [true, false, false, false])
    try await book.call("connection.edit", ["id": .string(first), "is_default": false])
    #expect(try defaults([first, second, third, other]) == [false, false, false, false])
    // In a batch, too, the last one is it.
    try await book.call(
      "batch.apply",
      [
        "commands": [
          ["method": "connection.set_default", "params": ["id": .string(second)]],
          ["method": "connection.edit", "params": ["id": .string(first), "is_default": true]],
        ]
      ])
    #expect(try defaults([first, second]) == [true, false])
  }
}

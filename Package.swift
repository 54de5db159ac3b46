// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A module of Daybook: its folder under Sources, and the only modules it may import.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The tests of one module; those that need a database, a socket or the binary say so by what they import.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func product(_ name: String, _ package: String) -> Target.Dependency {
  .product(name: name, package: package)
}

let crypto = product("Crypto", "swift-crypto")
let log = product("Logging", "swift-log")
let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioLocks = product("NIOConcurrencyHelpers", "swift-nio")
let nioHTTP = product("NIOHTTP1", "swift-nio")
let nioSSL = product("NIOSSL", "swift-nio-ssl")
let nioTLS = product("NIOTLS", "swift-nio")
let lifecycle = product("ServiceLifecycle", "swift-service-lifecycle")
let arguments = product("ArgumentParser", "swift-argument-parser")
let signals = product("UnixSignals", "swift-service-lifecycle")
let subprocess = product("Subprocess", "swift-subprocess")
let yams = product("Yams", "Yams")
let jwt = product("JWTKit", "jwt-kit")

/// What tools/package says of the commit and the day that it builds.
let build: [CSetting] =
  Context.environment["DAYBOOK_BUILD"].map { [.define("DAYBOOK_BUILD", to: "\"\($0)\"")] } ?? []

let package = Package(
  name: "daybook",
  products: [
    .executable(name: "daybook", targets: ["daybook"]),
    .executable(name: "daybook-bench", targets: ["DaybookBench"]),
    .executable(name: "daybook-demo", targets: ["DaybookDemo"]),
    .library(name: "DaybookClient", targets: ["DaybookClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
  ],
  targets: [
    .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
    .systemLibrary(name: "CPostgres", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CBcrypt", providers: [.apt(["libcrypt-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CBuild", cSettings: build),
    module("BasicTypes", [crypto]),
    module("CanonicalJSON", []),
    module("Refusals", ["CanonicalJSON"]),
    module("Files", [nioLocks]),
    module("Waiting", ["BasicTypes", nioLocks]),
    module("Failpoints", [nioLocks]),
    module("Metrics", []),
    module("MerkleTree", ["BasicTypes", crypto]),
    module(
      "Witness", ["BasicTypes", "Files", "MerkleTree", crypto, nioCore, nioHTTP, nioLocks, nioPosix, nioSSL]),
    module("Evidence", ["BasicTypes", "CanonicalJSON", "Files", "MerkleTree", crypto]),
    module("LMDB", ["CLMDB", nioLocks]),
    module("Gzip", ["CZlib"]),
    module("Postgres", ["CPostgres", "Waiting", log, nioLocks]),
    module("EmbeddedPostgres", ["BasicTypes", "Postgres", "Files", "Waiting", log]),
    module("Vault", ["BasicTypes", "CanonicalJSON", "Files", "Failpoints", "CBcrypt", crypto, nioLocks]),
    module(
      "EventLog",
      [
        "BasicTypes", "Files", "Waiting", "Failpoints", "Metrics", "LMDB", "MerkleTree", "CanonicalJSON", crypto, log,
        nioCore, nioLocks,
      ]),
    module("Catalog", ["BasicTypes", "CanonicalJSON", "Files", "Refusals", crypto, yams]),
    module("Schedules", ["BasicTypes", "Catalog", "CanonicalJSON"]),
    module("JSONSchema", ["BasicTypes", "Catalog", "CanonicalJSON"]),
    module("Access", ["BasicTypes", "Catalog", "CanonicalJSON"]),
    module(
      "Records",
      [
        "BasicTypes", "Catalog", "Refusals", "Access", "EventLog", "Evidence", "Vault", "MerkleTree", "CanonicalJSON",
      ]),
    module("OpenLineage", ["BasicTypes", "Catalog", "EventLog", "CanonicalJSON", crypto]),
    module(
      "Domain",
      [
        "BasicTypes", "Catalog", "Refusals", "Access", "Records", "Schedules", "JSONSchema", "OpenLineage", "EventLog",
        "Evidence", "Failpoints", "Vault", "Waiting", "MerkleTree", "CanonicalJSON", nioLocks,
      ]),
    module(
      "Projections",
      [
        "BasicTypes", "Catalog", "Access", "Records", "EventLog", "Failpoints", "Vault", "Postgres",
        "EmbeddedPostgres", "CanonicalJSON", "Files", "Waiting", crypto, log, nioLocks,
      ]),
    module(
      "Queries",
      [
        "BasicTypes", "Catalog", "Refusals", "Schedules", "Access", "Records", "EventLog", "Evidence", "Vault",
        "OpenLineage", "Projections", "Postgres", "CanonicalJSON", "MerkleTree", crypto, nioLocks,
      ]),
    module("Protocol", ["CanonicalJSON", "Refusals", nioCore]),
    module(
      "Server",
      [
        "BasicTypes", "Refusals", "Protocol", "Queries", "Access", "Records", "Waiting", "Domain", "Projections",
        "EmbeddedPostgres", "Catalog", "EventLog", "Failpoints", "Files", "Vault", "MerkleTree", "CanonicalJSON",
        "Gzip", "Metrics",
        nioCore, nioHTTP, nioPosix, nioSSL, nioLocks, lifecycle, signals, log, jwt,
      ]),
    module(
      "DaybookClient", ["Protocol", "CanonicalJSON", "Refusals", nioCore, nioPosix, nioSSL, nioTLS, nioLocks]),
    .executableTarget(
      name: "daybook",
      dependencies: [
        "CBuild", "Server", "DaybookClient", "Witness", "Projections", "Queries", "Access", "Records", "Files",
        "Domain",
        "Catalog", "EventLog", "Evidence", "Vault", "Protocol", "BasicTypes", "CanonicalJSON", "Failpoints",
        "MerkleTree", "Refusals",
        arguments, signals, log, subprocess,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "DaybookBench",
      dependencies: ["DaybookClient", "CanonicalJSON", "BasicTypes", "Refusals", arguments],
      swiftSettings: strict),
    .executableTarget(
      name: "DaybookDemo",
      dependencies: ["DaybookClient", "CanonicalJSON", "BasicTypes", "Refusals", arguments],
      swiftSettings: strict),
    // The test kit is three modules, so that the tests of a low room aren't built anew when a high one changes.
    module("TestBasics", ["CanonicalJSON"]),
    module(
      "DaybookTestKit",
      [
        "TestBasics", "Projections", "Postgres", "EmbeddedPostgres", "EventLog", "Failpoints", "MerkleTree", "Vault",
        "BasicTypes", "CanonicalJSON", "Catalog", "Access", "Records", "Domain", "Refusals", log, nioLocks,
      ]),
    module(
      "ServerTestKit",
      ["TestBasics", "Server", "Catalog", "DaybookClient", "CanonicalJSON", nioCore, nioPosix]),
    // What must hold of bytes from outside: for the fuzzer that tools/fuzz builds, and for a sample in every run.
    module(
      "OpenLineageTestKit", ["OpenLineage", "Catalog", "EventLog", "BasicTypes", "CanonicalJSON"]),
    module(
      "FuzzTargets",
      [
        "OpenLineageTestKit", "OpenLineage", "Catalog", "Projections", "Protocol", "Refusals", "Vault", "EventLog",
        "Evidence", "MerkleTree", "Files", "BasicTypes", "CanonicalJSON", crypto, nioCore,
      ]),
    tests("FuzzTargetsTests", ["TestBasics", "FuzzTargets"]),
    tests("BasicTypesTests", ["TestBasics", "BasicTypes"]),
    tests("CanonicalJSONTests", ["TestBasics", "CanonicalJSON"]),
    tests("RefusalsTests", ["Refusals", "CanonicalJSON"]),
    tests("MerkleTreeTests", ["TestBasics", "MerkleTree", "BasicTypes", crypto]),
    tests("EvidenceTests", ["TestBasics", "Evidence", "MerkleTree", "BasicTypes", "CanonicalJSON", "Files", crypto]),
    tests("FilesTests", ["Files"]),
    tests("WaitingTests", ["Waiting", "BasicTypes"]),
    tests("WitnessTests", ["TestBasics", "Witness", "MerkleTree", "BasicTypes", crypto, nioPosix]),
    tests("FailpointsTests", ["Failpoints"]),
    tests("MetricsTests", ["Metrics"]),
    tests("LMDBTests", ["TestBasics", "LMDB"]),
    tests("GzipTests", ["TestBasics", "Gzip"]),
    tests("VaultTests", ["TestBasics", "Vault", "Failpoints", "BasicTypes", "CanonicalJSON", crypto]),
    tests("CatalogTests", ["TestBasics", "Catalog", "BasicTypes", "CanonicalJSON", "Refusals"]),
    tests("SchedulesTests", ["Schedules", "Catalog", "BasicTypes", "CanonicalJSON"]),
    tests(
      "OpenLineageTests",
      ["TestBasics", "OpenLineageTestKit", "OpenLineage", "Catalog", "EventLog", "BasicTypes", "CanonicalJSON"]),
    tests(
      "DomainTests",
      [
        "TestBasics", "Access", "Records", "Domain", "Catalog", "EventLog", "Failpoints", "Vault", "BasicTypes",
        "CanonicalJSON", "DaybookTestKit", "Refusals", nioLocks,
      ]),
    tests("ProtocolTests", ["Protocol", "CanonicalJSON", "Refusals", nioCore]),
    tests(
      "ProjectionsTests",
      [
        "TestBasics", "Projections", "Postgres", "EmbeddedPostgres", "EventLog", "Vault", "Catalog", "BasicTypes",
        "CanonicalJSON", "DaybookTestKit", log, nioLocks,
      ]),
    tests(
      "QueriesTests",
      [
        "TestBasics", "Refusals", "Queries", "Projections", "EmbeddedPostgres", "Postgres", "Access", "Records",
        "Domain", "EventLog", "Vault", "Catalog", "MerkleTree", "BasicTypes", "CanonicalJSON", "DaybookTestKit", log,
        nioLocks,
      ]),
    tests(
      "ServerTests",
      [
        "TestBasics", "ServerTestKit", "Refusals", "Server", "Protocol", "DaybookClient", "DaybookTestKit", "Catalog",
        "Metrics", "JSONSchema", "Queries", "Access", "Records", "Domain", "EventLog", "BasicTypes", "CanonicalJSON",
        log, nioCore,
        nioPosix, nioLocks, jwt, crypto,
      ]),
    tests(
      "DaybookClientTests",
      ["TestBasics", "ServerTestKit", "DaybookClient", "Refusals", "CanonicalJSON", nioCore, nioPosix, nioLocks]),
    tests(
      "PlatformTests",
      [
        "TestBasics", "Refusals", "Server", "DaybookClient", "Catalog", "Access", "Records", "Domain", "Projections",
        "Postgres", "EventLog", "Vault", "DaybookTestKit", "BasicTypes", "CanonicalJSON", log, nioLocks,
      ]),
    tests(
      "CommandLineTests",
      [
        "TestBasics", "daybook", "DaybookTestKit", "EventLog", "MerkleTree", "Postgres", "BasicTypes", "CanonicalJSON",
      ]),
    tests(
      "DocumentationTests",
      ["TestBasics", "DaybookTestKit", "DaybookClient", "Refusals", "CanonicalJSON", crypto]),
    tests(
      "AcceptanceTests",
      ["TestBasics", "DaybookClient", "Failpoints", "BasicTypes", "CanonicalJSON", "Refusals", nioLocks]),
    tests("PostgresTests", ["TestBasics", "Postgres", "DaybookTestKit", log, nioLocks]),
    tests("EmbeddedPostgresTests", ["EmbeddedPostgres", "Postgres", "DaybookTestKit", log, nioLocks]),
    tests(
      "EventLogTests",
      [
        "TestBasics", "DaybookTestKit", "EventLog", "Failpoints", "Files", "LMDB", "MerkleTree", "BasicTypes",
        "CanonicalJSON", nioLocks,
      ]),
  ]
)

// libFuzzer brings a `main` of its own, so the program links with `--sanitize fuzzer` alone: tools/fuzz asks for it.
if Context.environment["DAYBOOK_FUZZ"] == "1" {
  package.products.append(.executable(name: "daybook-fuzz", targets: ["DaybookFuzz"]))
  package.targets.append(
    .executableTarget(name: "DaybookFuzz", dependencies: ["FuzzTargets", "Files"], swiftSettings: strict))
}

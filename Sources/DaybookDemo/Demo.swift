import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// Drives a believable month of all five platforms' life through the socket of a running server.
@main
struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daybook-demo",
    abstract: "Fill a server with a believable month of five platforms' life.",
    discussion: """
      Ten companies, two of each platform: people join, connections are made and tested, pipelines are edited and rolled back, runs fail and are
      retried, alerts are acknowledged, credentials rotate, files arrive in chunks. All of it follows from the seed: told again with the same
      seed, scale and days, it is answered from the log and adds nothing.

      The exit code is 1 where the server refuses anything that the story doesn't want refused, 64 for wrong usage, 69 where no server answers.

      EXAMPLES
        tools/demo
        tools/demo --scale 0.1 --keep
        tools/demo --platform mecapy --platform etlab
        tools/demo --connect unix:/run/daybook.sock --seed 7 --json
      """)

  @Option(name: .long, help: "How much of everything there is; 1 is about 36,000 commands.")
  var scale = 1.0

  @Option(name: .long, help: "What the story follows from.")
  var seed: UInt64 = 1

  @Option(name: .long, help: "How many days the month has.")
  var days = 30

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Tell of this platform only; may be repeated. All five where absent.",
      discussion: Platform.allCases.map(\.rawValue).joined(separator: ", ") + "."))
  var platform: [Platform] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The server's address: unix:PATH; by TCP nobody is an administrator without signing in.",
      discussion: "Default: $DAYBOOK_CONNECT, else the socket in the default data folder.", valueName: "address"))
  var connect: String?

  @Flag(name: .long, help: "Write the summary as JSON, and no progress.")
  var json = false

  func validate() throws {
    guard scale > 0, scale <= 1000 else { throw ValidationError("--scale must be above 0 and at most 1000.") }
    guard (1...366).contains(days) else { throw ValidationError("--days must be from 1 to 366.") }
  }

  func run() async throws {
    let address =
      connect ?? environment("DAYBOOK_CONNECT")
      ?? "unix:\(environment("DAYBOOK_DATA") ?? "./daybook-data")/daybook.sock"
    do {
      let endpoint = try Endpoint.parse(address)
      let summary = try await Month(
        endpoint: endpoint, tenants: Tenant.all.filter { platform.isEmpty || platform.contains($0.platform) },
        seed: seed,
        scale: scale, days: days, isSilent: json
      ).tell()
      if json { say(JSON.object(summary.json).canonicalString) } else { summary.show() }
      guard summary.isClean else { throw ExitCode(1) }
    } catch let error as ClientError {
      complain("daybook-demo: \(sentence(error))")
      switch error {
      case .endpoint: throw ExitCode(64)
      case .unreachable:
        complain("Next: Is the server running (tools/run)? Say where it listens with --connect or DAYBOOK_CONNECT.")
        throw ExitCode(69)
      case .closed, .malformed: throw ExitCode(69)
      case .remote: throw ExitCode(1)
      }
    }
  }

  private func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }
}

extension Platform: ExpressibleByArgument {}

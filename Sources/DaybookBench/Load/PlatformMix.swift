/// Pipelines that were made earlier: by each series of ``IdentifierMaker``, so many.
struct OldPipelines {
  private(set) var series: [(series: Int, count: Int)] = []
  private(set) var total = 0

  init(_ series: [(series: Int, count: Int)] = []) {
    for entry in series { add(entry.series, entry.count) }
  }

  mutating func add(_ series: Int, _ count: Int) {
    guard count > 0 else { return }
    self.series.append((series, count))
    total += count
  }

  /// The id of one of them.
  func id(_ index: Int) -> String {
    var rest = index % max(1, total)
    for entry in series {
      if rest < entry.count { return IdentifierMaker.id(series: entry.series, number: UInt64(rest + 1)) }
      rest -= entry.count
    }
    return IdentifierMaker.id(series: 0, number: 1)
  }
}

/// Numbers that look random and are the same in every run.
struct Dice {
  private var state: UInt64

  init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func roll() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  mutating func roll(below bound: Int) -> Int { Int(roll() % UInt64(max(1, bound))) }

  /// The text of a UUIDv4, which is in no order.
  mutating func identifier() -> String {
    func padded(_ number: UInt64, _ count: Int) -> String {
      let digits = String(number, radix: 16)
      return String(repeating: "0", count: max(0, count - digits.count)) + digits.suffix(count)
    }
    let (high, low) = (roll(), roll())
    return "\(padded(high >> 32, 8))-\(padded(high >> 16 & 0xFFFF, 4))-4\(padded(high & 0xFFF, 3))"
      + "-8\(padded(low >> 48 & 0xFFF, 3))-\(padded(low & 0xFFFF_FFFF_FFFF, 12))"
  }
}

/// What a platform sends: of every twenty commands twelve change a pipeline, whichever of all that were ever made, four
/// make one, three are of runs, and one makes a person with an e-mail. Each is of one of several organizations and has
/// a random command id, as a client gives it that wants to retry.
struct PlatformMix: LineSource {
  private let organizations: [String]
  private let series: Int
  private let old: OldPipelines
  private var dice: Dice
  private var pipelines: IdentifierMaker
  private var runs: IdentifierMaker
  private var made = 0
  private var number = 0
  private var started: [String] = []

  /// - Parameter series: One that no other source of the same log has; it takes the two after it as well.
  init(organizations: [String], series: Int, old: OldPipelines) {
    self.organizations = organizations
    self.series = series
    self.old = old
    dice = Dice(seed: series)
    pipelines = IdentifierMaker(series: series)
    runs = IdentifierMaker(series: series + 1)
  }

  /// How many pipelines a source has made by the time that it has sent so many lines.
  static func pipelines(in lines: Int) -> Int {
    lines / 20 * 4 + (0..<lines % 20).count { kind($0) == .create }
  }

  private enum Kind { case create, edit, start, finish, person }

  private static func kind(_ turn: Int) -> Kind {
    switch turn % 20 {
    case 0, 5, 10, 15: .create
    case 2, 12: .start
    case 17: .finish
    case 19: .person
    default: .edit
    }
  }

  mutating func writeLine(into output: inout [UInt8]) {
    let kind = Self.kind(number)
    number += 1
    let organization = organizations[number % organizations.count]
    switch kind {
    case .create:
      made += 1
      let fields =
        #""id":"\#(pipelines.make())","organization_id":"\#(organization)","name":"orders_\#(series)_\#(made)","#
        + #""description":"Loads the orders of the last hour into the warehouse","schedule":"5 * * * *","#
        + #""is_scheduled":true,"source_config":{"connection":"shop","table":"public.orders","cursor":"updated_at"},"#
        + #""destination_config":{"table":"warehouse.orders","mode":"append"},"tags":["orders","hourly"],"#
        + #""default_params":{"batch_size":5000,"retries":3}"#
      write("pipeline.create", fields, into: &output)
    case .edit:
      write(
        "pipeline.edit",
        #""id":"\#(anyPipeline())","description":"Changed by the deployment \#(series)-\#(number)","#
          + #""default_params":{"batch_size":\#(number),"retries":5}"#, into: &output)
    case .start:
      let run = runs.make()
      started.append(run)
      write(
        "run.start", #""id":"\#(run)","pipeline_id":"\#(anyPipeline())","trigger_type":"scheduled""#, into: &output)
    case .finish:
      // Two are started by then.
      write(
        "run.finish", #""id":"\#(started.removeFirst())","status":"success","rows_processed":48211"#, into: &output)
    case .person:
      write(
        "user.create",
        #""email":"person.\#(series).\#(number)@example.org","full_name":"Person \#(series) \#(number)","#
          + #""organization_id":"\#(organization)""#, into: &output)
    }
  }

  /// One of all that are there, or of its own where there are no others.
  private mutating func anyPipeline() -> String {
    let index = dice.roll(below: old.total + made)
    return index < old.total
      ? old.id(index) : IdentifierMaker.id(series: series, number: UInt64(index - old.total + 1))
  }

  private mutating func write(_ method: String, _ fields: String, into output: inout [UInt8]) {
    output.append(contentsOf: #"{"jsonrpc":"2.0","id":\#(number),"method":"\#(method)","params":{"#.utf8)
    output.append(contentsOf: #""command_id":"\#(dice.identifier())",\#(fields)}}"#.utf8)
    output.append(0x0A)
  }
}

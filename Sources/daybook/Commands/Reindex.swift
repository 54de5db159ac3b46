import ArgumentParser
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import Failpoints
import Server
import Vault

/// `daybook reindex`: makes anew what follows from the records of a log.
struct Reindex: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make states, indexes, counters and the stored tree anew from the log's records.",
    discussion: """
      For a log of which daybook verify says that its records are whole and that
      something else is damaged. The records are proved by the signed head and
      copied as they are; everything else is made of them in a second file, which
      is verified and then takes the first one's place in one step. Ended at any
      moment, it leaves the log as it was or done. No server may have the log open,
      and the disk must hold it twice.

      Answers that were kept for command ids are in no record. Where some are lost,
      it stops, unless you say --without-answers: a command that a client repeats
      under such an id is then done a second time.

      The indexes follow the resource types that the log has recorded. Where this
      program can't read these any more, it takes its own, and says so.

      EXAMPLES
        daybook reindex --data ./daybook-data
        daybook reindex --data ./daybook-data --without-answers
      """)

  @OptionGroup var data: DataOptions

  @Flag(name: .long, help: "Go on where answers to command ids are lost.")
  var withoutAnswers = false

  @Flag(
    name: .long,
    help: "Read nothing but the records, for where reading the rest ends the process; all answers are lost.")
  var recordsOnly = false

  @Option(name: .long, help: "The file with the root key.", completion: .file())
  var rootKeyFile: String?

  @Option(
    name: .long, help: "The folder with the resource types (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var schema: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if recordsOnly, !withoutAnswers {
      throw ValidationError("--records-only loses all answers to command ids: say --without-answers too.")
    }
  }

  func run() async throws {
    let folder = DataFolder(data.folder)
    try LogPlace(dataFolder: folder.path).requireLog()
    let catalog = try Catalog.load(folder: schema ?? Program.folder("schema", containing: ".yaml", option: "--schema"))
    let vault = try Vault.openReadOnly(folder: folder.vault, rootKeyFile: rootKeyFile)
    defer { vault.close() }
    var configuration = try folder.logConfiguration(vault: vault, logger: Quiet.logger)
    if let order = Terminal.environment("DAYBOOK_FAILPOINT") {
      configuration.failpoints = try Failpoints(parsing: order)
    }
    let bar = SharedBar(ProgressBar("reindexing", isSilent: output.json))
    defer { bar.end() }
    let outcome = try EventLogReindexer.reindex(
      configuration, extent: recordsOnly ? .recordsOnly : withoutAnswers ? .soundAnswers : .everything
    ) { progress in
      bar.show(progress)
    } derivation: { snapshot in
      try IndexDerivation.recorded(in: snapshot, vault: vault, otherwise: catalog)
    }
    bar.end()
    show(outcome, folder)
  }

  private func show(_ outcome: EventLogReindexer.Outcome, _ folder: DataFolder) {
    if output.json {
      return Terminal.say(json: [
        "events": .integer(Int64(clamping: outcome.events)), "states": .integer(Int64(clamping: outcome.states)),
        "index_entries": .integer(Int64(clamping: outcome.indexEntries)), "root": .string(outcome.root),
        "signed_position": outcome.signedPosition.map { .integer(Int64(clamping: $0)) } ?? .null,
        "answers_kept": .integer(Int64(clamping: outcome.keptAnswers)),
        "answers_lost": outcome.lostAnswers.map { .integer(Int64(clamping: $0)) } ?? .null,
        "notes": .array(outcome.notes.map(JSON.string)),
      ])
    }
    Terminal.say(
      "Made anew from \(outcome.events) events, none of them changed: \(outcome.states) states, \(outcome.indexEntries) index entries."
    )
    Terminal.say("Root: \(outcome.root)")
    for note in outcome.notes { Terminal.say("Note: \(Terminal.plain(note))") }
    if outcome.signedPosition == nil, outcome.events > 0 {
      Terminal.say("No signed head says where the log ends: whether its last events are missing can't be told.")
    }
    if outcome.lostAnswers != 0 {
      let lost = outcome.lostAnswers.map { "\($0)" } ?? "All"
      Terminal.say(
        "\(lost) answers to command ids are lost: a command that is repeated under such an id is done a second time.")
    }
    Terminal.say("Next: daybook serve --data \(folder.path)")
  }
}

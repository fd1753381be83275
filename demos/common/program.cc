#include "demos/common/program.h"

#include <ostream>

namespace equipoise::demos {

std::shared_ptr<const SavedModel> compare(const DemoFlags& flags, const Comparison& comparison) {
  const ExperimentOptions& experiment = comparison.experiment;
  const std::uint64_t runs = most_runs(experiment);
  const std::uint64_t steps =
      comparison.all_steps > 0 ? comparison.all_steps : runs * experiment.steps_per_run;
  if (flags.workers == nullptr) {
    *flags.out << announcement(runs, comparison.tried_units, comparison.try_out) << std::endl;
  }
  const std::unique_ptr<Progress> progress = make_progress(flags, steps);
  const Results results = run_experiment(
      experiment,
      [&](std::size_t strategy, std::uint64_t seed, double rate) {
        return comparison.run(strategy, seed, rate, *progress);
      },
      *progress);
  *flags.out << '\n' << comparison.summary(results) << std::endl;
  if (!flags.report.empty()) {
    *flags.out << comparison.write_report(results, flags.report) << std::endl;
  }
  return results.model;
}

void run_program(const DemoFlags& flags, const Program& program) {
  std::shared_ptr<const SavedModel> model;
  if (flags.load.empty()) {
    model = program.train();
  } else {
    model = std::make_shared<SavedModel>(load_model(program.kind, flags.load));
    if (!program.predict) program.evaluate(*model);
  }
  if (!flags.save.empty()) {
    save_model(program.kind, *model, flags.save);
    *flags.out << "Model of strategy " << model->facts.value("strategy", "?") << ": "
               << flags.save.string() << std::endl;
  }
  if (program.predict) program.predict(*model);
}

}  // namespace equipoise::demos

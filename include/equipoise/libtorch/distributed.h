// Training by several workers over LibTorch's c10d: Gloo, NCCL or the caller's process group.
//
// Workers are started as torchrun and tools/launch.sh start them. Each draws its shard of one
// stream, divides by the denominators of all workers, and sums its gradients with those of the
// others: the step equals that of a single process on the whole batch.
//
//     const WorkerEnvironment environment = worker_environment();
//     const Communicator workers = connect(environment);
//     workers.broadcast(model->parameters());  // equal at the start
//     StreamSampler sampler(stream, shard(workers));
//     for (Batch& batch : batches(loader, sampler)) {
//       LossArguments arguments;
//       arguments.denominators =
//           sum_over_ranks(denominators(loss, batch.targets, classes), workers);
//       optimizer.zero_grad();
//       value(loss, model->forward(batch.inputs), batch.targets, arguments).backward();
//       workers.sum_gradients(model->parameters());
//       optimizer.step();
//     }
//     workers.all_reduce(confusion);  // counts, partials and metrics of all
//
// connect.h says what Gloo and NCCL need. The other headers need neither.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_H_

// IWYU pragma: begin_exports
#include "equipoise/libtorch/distributed/communicator.h"
#include "equipoise/libtorch/distributed/connect.h"
#include "equipoise/libtorch/distributed/worker_environment.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_H_

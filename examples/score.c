/* Scores a blank image of 8x8 pixels by a model that `tfdgm export` wrote, through TensorFlow's C API.

   saved_model_cli show --dir FOLDER --tag_set serve --signature_def log_prob
       names the operations of the input and of the output, in front of their colons.

   gcc score.c -ltensorflow -o score
   ./score FOLDER log_prob_events StatefulPartitionedCall */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tensorflow/c/c_api.h>

static void check(TF_Status* status) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s\n", TF_Message(status));
    exit(1);
  }
}

static TF_Output operation(TF_Graph* graph, const char* name, int index) {
  TF_Output output = {TF_GraphOperationByName(graph, name), index};
  if (output.oper == NULL) {
    fprintf(stderr, "There is no operation %s.\n", name);
    exit(1);
  }
  return output;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s FOLDER INPUT OUTPUT\n", argv[0]);
    return 2;
  }
  const char* tags[] = {"serve"};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status);

  const int64_t shape[] = {1, 8, 8, 1};
  TF_Tensor* events = TF_AllocateTensor(TF_FLOAT, shape, 4, 64 * sizeof(float));
  memset(TF_TensorData(events), 0, 64 * sizeof(float));
  TF_Tensor* log_prob = NULL;
  TF_Output input = operation(graph, argv[2], 0), output = operation(graph, argv[3], 0);
  TF_SessionRun(session, NULL, &input, &events, 1, &output, &log_prob, 1, NULL, 0, NULL, status);
  check(status);
  printf("%.4f nats\n", *(float*)TF_TensorData(log_prob));

  TF_DeleteTensor(events);
  TF_DeleteTensor(log_prob);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}

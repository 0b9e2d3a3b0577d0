console.log("reptyr 0.1.0");
